import { Injectable } from '@nestjs/common';
import { Drafting } from './drafting';
import type { PreviewInput } from './inputs';
import type { PreviewOrder } from './views';

/** What a preview is to look at. Who looks at it is not decided here: reading files is nothing for the process of the API. */
@Injectable()
export class PreviewOrders {
  constructor(private readonly drafting: Drafting) {}

  /** Checked as for create, with all defaults; nothing is saved. Errors: `ValueError`. */
  order(input: PreviewInput): PreviewOrder {
    return this.drafting.preview(input);
  }
}
