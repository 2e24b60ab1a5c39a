import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { DuckDBDataChunk } from '@duckdb/node-api';

const CHUNKS_HELD = 32;

/**
 * DuckDB's chunks are freed when JavaScript's garbage collector finds them, and it knows nothing of the half megabyte each holds, so
 * a long file would fill the memory with dead chunks. Every 32 chunks a collection is asked for (about a millisecond). It also holds
 * the chunks until then: vectors are read through pointers which the collector does not see.
 */
export class ChunkReclaimer {
  private held: DuckDBDataChunk[] = [];
  private readonly collect = collector();

  /** True when a collection was made: let the event loop turn once, so that what was found is also freed. */
  passed(chunk: DuckDBDataChunk): boolean {
    this.held.push(chunk);
    if (this.held.length < CHUNKS_HELD) return false;
    this.held = [];
    this.collect();
    return true;
  }
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
