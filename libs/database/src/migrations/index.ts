import { ControlTables1764000000000 } from './1764000000000-control-tables';
import { AnyShape1765000000000 } from './1765000000000-any-shape';
import { UnderFaults1766000000000 } from './1766000000000-under-faults';
import { WhatIsStillToGo1767000000000 } from './1767000000000-what-is-still-to-go';
import { UntoldQuarantine1768000000000 } from './1768000000000-untold-quarantine';
import { RunsByTick1769000000000 } from './1769000000000-runs-by-tick';
import { LateCalls1770000000000 } from './1770000000000-late-calls';

/** In the order they run. A migration that has been released is never changed: the next one goes forward. */
export const MIGRATIONS = [
  ControlTables1764000000000,
  AnyShape1765000000000,
  UnderFaults1766000000000,
  WhatIsStillToGo1767000000000,
  UntoldQuarantine1768000000000,
  RunsByTick1769000000000,
  LateCalls1770000000000,
] as const;
