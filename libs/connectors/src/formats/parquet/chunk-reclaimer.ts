import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { DuckDBDataChunk } from '@duckdb/node-api';

const CHUNKS_HELD = 16;
/** What outlived a few small collections is only found by a whole one: made when the process has grown by so many bytes since the last. */
const GROWTH = 96 * 1024 * 1024;

/** V8's own; without an argument it collects everything. */
type Collect = (options?: { type: 'minor' }) => void;

/**
 * DuckDB's chunks are freed when JavaScript's garbage collector finds them, and it knows nothing of the half megabyte each holds, so
 * a long file would fill the memory with dead chunks. Every 16 chunks the young objects are collected (a fraction of a millisecond). It also
 * holds the chunks until then: vectors are read through pointers which the collector does not see.
 */
export class ChunkReclaimer {
  private held: DuckDBDataChunk[] = [];
  /** The least memory the process had since the last whole collection, bytes. */
  private least = process.memoryUsage.rss();
  private readonly collect = collector();

  /** True when a collection was made: let the event loop turn once, so that what was found is also freed. */
  passed(chunk: DuckDBDataChunk): boolean {
    this.held.push(chunk);
    if (this.held.length < CHUNKS_HELD) return false;
    this.held = [];
    if (this.hasGrown()) this.collect();
    else this.collect({ type: 'minor' });
    return true;
  }

  private hasGrown(): boolean {
    const now = process.memoryUsage.rss();
    const grown = now - this.least > GROWTH;
    this.least = grown ? now : Math.min(this.least, now);
    return grown;
  }
}

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
