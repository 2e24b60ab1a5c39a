declare module 'zstd-codec/lib/module.js' {
  export interface ZstdDecompressStream {
    begin(): boolean;
    /** False: the data are broken, or their checksum is another. The bytes handed over are the callback's own. */
    transform(bytes: Uint8Array, output: (bytes: Uint8Array) => void): boolean;
    /** Frees the memory outside of JavaScript. */
    delete(): void;
  }
  export interface ZstdBinding {
    ZstdDecompressStreamBinding: new () => ZstdDecompressStream;
  }
  export function run(whenReady: (binding: ZstdBinding) => void): void;
}
