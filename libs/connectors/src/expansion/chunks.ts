/** Bytes on their way. */
export type Chunks = AsyncIterable<Buffer>;
