/** What the exit code of a maintenance command says. */
export const EXIT = {
  /** All is done, or there was nothing to do. */
  done: 0,
  /** Something failed or is left; what, is in the lines above. */
  failed: 1,
  /** The command line or the configuration is not usable; nothing was tried. */
  configuration: 2,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
