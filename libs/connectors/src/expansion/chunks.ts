/** Bytes in pieces of any size, one after the other. */
export type Chunks = AsyncIterable<Buffer>;
