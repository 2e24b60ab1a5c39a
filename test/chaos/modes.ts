/** How a round writes. `reload`: files that change are loaded in place of their old rows. */
export interface Mode {
  write: 'append' | 'merge' | 'overwrite';
  reload: boolean;
}

export const MODES: readonly Mode[] = [
  { write: 'append', reload: false },
  { write: 'append', reload: true },
  { write: 'merge', reload: false },
  { write: 'merge', reload: true },
  { write: 'overwrite', reload: false },
];

export function nameOf({ write, reload }: Mode): string {
  return reload ? `${write} with reload` : write;
}
