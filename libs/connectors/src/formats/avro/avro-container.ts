import type { Readable } from 'node:stream';
import { BadFile } from '../../errors';
import type { FileInput } from '../format-reader';
import { AVRO_CODECS, type Codec } from './avro-codecs';
import { asBadFile, BeyondLimit, BrokenAvro } from './avro-faults';
import { ByteFeed } from './byte-feed';

const MAGIC = Buffer.from('Obj\x01', 'latin1');
const SYNC_BYTES = 16;

export interface ContainerLimits {
  /** Longest block, as it is and expanded. */
  recordBytes: number;
}

export interface AvroBlock {
  records: number;
  bytes: Buffer;
}

/** An object container file: a header with the schema, then blocks of records. Source: Apache Avro specification, "Object Container Files". */
export class AvroContainer {
  /** The text of the schema. */
  readonly schema: string;
  private readonly codec: Codec;
  private readonly sync: Buffer;

  private constructor(
    private readonly file: FileInput,
    private readonly feed: ByteFeed,
    private readonly limits: ContainerLimits,
    header: Header,
  ) {
    this.schema = header.schema;
    this.sync = header.sync;
    this.codec = codecOf(file, header.codec);
  }

  /** Reads the header. The stream stays the caller's. Raises `BadFile`. */
  static async open(file: FileInput, stream: Readable, limits: ContainerLimits): Promise<AvroContainer> {
    const feed = new ByteFeed(stream);
    return new AvroContainer(file, feed, limits, await readHeader(file, feed, limits));
  }

  /** Raises `BadFile` with the number of the record that the file breaks at. */
  async *blocks(): AsyncGenerator<AvroBlock> {
    for (let record = 1; ;) {
      const block = await this.next().catch((error: unknown) => {
        throw asBadFile(this.file.path, record, error);
      });
      if (block === null) return;
      yield block;
      record += block.records;
    }
  }

  private async next(): Promise<AvroBlock | null> {
    if (!(await this.feed.more())) return null;
    const records = await this.feed.count();
    const packed = await this.feed.take(await this.feed.count(this.limits.recordBytes));
    if (!this.sync.equals(await this.feed.take(SYNC_BYTES)))
      throw new BrokenAvro('its block does not end with the mark of the file');
    return { records, bytes: await this.expanded(packed) };
  }

  private async expanded(packed: Buffer): Promise<Buffer> {
    try {
      return await this.codec(packed, this.limits.recordBytes);
    } catch (error) {
      if (error instanceof BeyondLimit || error instanceof BrokenAvro) throw error;
      throw new BrokenAvro(`its block cannot be expanded (${(error as Error).message})`, { cause: error });
    }
  }
}

interface Header {
  schema: string;
  codec: string;
  sync: Buffer;
}

async function readHeader(file: FileInput, feed: ByteFeed, limits: ContainerLimits): Promise<Header> {
  try {
    if (!MAGIC.equals(await feed.take(MAGIC.length))) throw notAvro(file);
    const meta = await readMeta(feed, limits);
    const schema = meta.get('avro.schema');
    if (schema === undefined) throw notAvro(file);
    return { schema, codec: meta.get('avro.codec') ?? 'null', sync: await feed.take(SYNC_BYTES) };
  } catch (error) {
    throw error instanceof BrokenAvro ? notAvro(file, error) : asBadFile(file.path, 1, error);
  }
}

async function readMeta(feed: ByteFeed, limits: ContainerLimits): Promise<Map<string, string>> {
  const meta = new Map<string, string>();
  let size = 0;
  const text = async () => {
    const bytes = await feed.take(await feed.count(limits.recordBytes - size));
    size += bytes.length;
    return bytes.toString();
  };
  for (let entries = await feed.long(); entries !== 0; entries = await feed.long()) {
    if (entries < 0) await feed.long();
    for (let left = Math.abs(entries); left > 0; left--) meta.set(await text(), await text());
  }
  return meta;
}

function codecOf(file: FileInput, name: string): Codec {
  const codec = Object.hasOwn(AVRO_CODECS, name) ? AVRO_CODECS[name] : undefined;
  if (codec !== undefined) return codec;
  throw new BadFile(
    'malformed',
    `${file.path} is compressed with ${name}, which Sluice cannot expand. Write it with one of ${Object.keys(AVRO_CODECS).join(', ')}.`,
  );
}

function notAvro(file: FileInput, cause?: unknown): BadFile {
  const reason = `${file.path} cannot be read as Avro: it does not begin with the header of an object container file. Write the file again.`;
  return new BadFile('malformed', reason, {}, { cause });
}
