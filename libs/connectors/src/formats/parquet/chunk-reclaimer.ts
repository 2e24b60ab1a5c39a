import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { DuckDBDataChunk } from '@duckdb/node-api';

const CHUNKS_HELD = 16;
/** What outlived a few small collections is only found by a whole one. */
const CHUNKS_PER_WHOLE = 512;

type Collect = (options: { type: 'minor' | 'major' }) => void;

/**
 * DuckDB's chunks are freed when JavaScript's garbage collector finds them, and it knows nothing of the half megabyte each holds, so
 * a long file would fill the memory with dead chunks. Every 16 chunks the young objects are collected (a fraction of a millisecond). It also
 * holds the chunks until then: vectors are read through pointers which the collector does not see.
 */
export class ChunkReclaimer {
  private held: DuckDBDataChunk[] = [];
  private count = 0;
  private readonly collect = collector();

  /** True when a collection was made: let the event loop turn once, so that what was found is also freed. */
  passed(chunk: DuckDBDataChunk): boolean {
    this.count++;
    this.held.push(chunk);
    if (this.held.length < CHUNKS_HELD) return false;
    this.held = [];
    this.collect({ type: this.count % CHUNKS_PER_WHOLE === 0 ? 'major' : 'minor' });
    return true;
  }
}

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
