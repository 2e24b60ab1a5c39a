/**
 * What the flow-runner's exit code says. A worker marks the flow run CRASHED for any code but 0, so 0 means only that Prefect has been
 * told how the run ended, or that another process (of this run, or the reconciler) will tell it.
 */
export const EXIT = {
  /** The end of the run, whatever it was, is known to Prefect, or to the control database, from which Prefect will hear it. */
  reported: 0,
  /** Something unforeseen, or Prefect was away before the run had ended. */
  unreported: 1,
  /** The configuration is not usable; nothing was tried. */
  configuration: 2,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
