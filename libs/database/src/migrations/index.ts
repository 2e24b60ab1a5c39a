import { ControlTables1764000000000 } from './1764000000000-control-tables';

/** In the order they run. A migration that has been released is never changed: the next one goes forward. */
export const MIGRATIONS = [ControlTables1764000000000] as const;
