import { Injectable } from '@nestjs/common';

/** Brings the control database and Prefect together again, every 5 s, in one process at a time. */
@Injectable()
export class Reconciler {
  /** One pass, if this process leads. Resolves with a sentence for each thing done. */
  runOnce(): Promise<string[]> {
    throw new Error('contract');
  }
}
