import type { Client } from 'pg';

const DRAWN = 128;

/** Load ids are drawn some at a time; those left over at the end of a batch are lost, which a sequence may. */
export class LoadIds {
  private drawn: bigint[] = [];

  constructor(private readonly client: Client) {}

  /** The next one must be asked for. */
  get isEmpty(): boolean {
    return this.drawn.length === 0;
  }

  async next(): Promise<bigint> {
    if (this.drawn.length === 0) this.drawn = await this.draw();
    return this.drawn.shift() as bigint;
  }

  private async draw(): Promise<bigint[]> {
    const statement = "SELECT nextval('sluice.load_id') AS id FROM generate_series(1, $1)";
    const { rows } = await this.client.query<{ id: string }>(statement, [DRAWN]);
    return rows.map(({ id }) => BigInt(id));
  }
}
