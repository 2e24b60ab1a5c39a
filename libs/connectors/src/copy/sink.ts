/**
 * Takes bytes; resolves when more may come (this is where a slow server slows the reader down): true when nobody looks at the bytes any more, so that
 * their memory may be written again. Rejects when the server refuses.
 */
export type Sink = (bytes: Buffer) => Promise<boolean>;
