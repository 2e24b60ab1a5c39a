import { createReadStream } from 'node:fs';
import { crc32 } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { BadFile, LoadError } from '../../errors';
import { BadData } from '../bad-data';
import type { Chunks } from '../chunks';
import { inflateRaw } from '../gzip';
import { type RawFile, unreadable } from '../raw-file';
import { assertApart, assertReadable, STORED, type ZipMember } from './checks';

const CHUNK_BYTES = 1024 * 1024;
/** All are held in memory, since they are read in the order of their names. */
const MAX_MEMBERS = 100_000;
const ENTRY_MAGIC = Buffer.from('PK\x01\x02');

/** A zip archive that lies in a local file. Nothing is ever written by a member's name. */
export class ZipArchive {
  private constructor(
    private readonly raw: RawFile,
    private readonly zip: ZipFile,
    /** By name, in byte order. */
    readonly members: readonly ZipMember[],
  ) {}

  /** Raises `BadFile` for an archive that is broken, encrypted, empty or made to deceive. To be closed. */
  static async open(raw: RawFile): Promise<ZipArchive> {
    const zip = await yauzl
      .openPromise(raw.localPath, { autoClose: false, decodeStrings: false })
      .catch((error: unknown) => {
        throw asBadFile(raw.path, error);
      });
    try {
      const members = await readMembers(raw.path, zip);
      await assertNoMore(raw, zip);
      return new ZipArchive(raw, zip, members);
    } catch (error) {
      zip.close();
      throw asBadFile(raw.path, error);
    }
  }

  /** A member's bytes; size and CRC-32 are verified as they pass. */
  async *chunks({ name, entry }: ZipMember): AsyncGenerator<Buffer> {
    try {
      const packed = await this.packed(entry);
      yield* verified(entry.compressionMethod === STORED ? packed : inflateRaw(packed), entry);
    } catch (error) {
      if (!(error instanceof BadData)) throw asBadFile(this.raw.path, error);
      throw new BadFile(
        'malformed',
        `${name} in ${this.raw.path} cannot be read: ${error.reason}. Pack or copy the archive again.`,
        {},
        { cause: error },
      );
    }
  }

  close(): void {
    this.zip.close();
  }

  private async packed(entry: Entry): Promise<Chunks> {
    const { fileDataStart } = await this.zip.readLocalFileHeaderPromise(entry, { minimal: true });
    if (entry.compressedSize === 0) return nothing();
    const end = fileDataStart + entry.compressedSize - 1;
    return createReadStream(this.raw.localPath, { start: fileDataStart, end, highWaterMark: CHUNK_BYTES });
  }
}

async function* nothing(): AsyncGenerator<Buffer> {
  // An empty member has no range of bytes.
}

async function readMembers(path: string, zip: ZipFile): Promise<ZipMember[]> {
  const found: ZipMember[] = [];
  for await (const entry of zip.eachEntry()) {
    const name = nameOf(entry);
    if (isHidden(name)) continue;
    assertReadable(path, name, entry);
    if (found.push({ name, entry }) > MAX_MEMBERS)
      throw new BadFile('limit', `${path} holds more than ${MAX_MEMBERS} files. Split the archive.`);
  }
  if (found.length === 0) throw new BadFile('malformed', `${path} holds no files. Pack the archive again.`);
  assertApart(path, found);
  return found.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** A writer that counts to 65,535 leaves a directory that is longer than it says; the rest would be lost in silence. */
async function assertNoMore({ path, localPath }: RawFile, zip: ZipFile): Promise<void> {
  const start = Number(zip.readEntryCursor);
  for await (const next of createReadStream(localPath, { start, end: start + ENTRY_MAGIC.length - 1 }))
    if (ENTRY_MAGIC.equals(next as Buffer))
      throw new BadFile('malformed', `The zip archive ${path} holds more files than it says. Pack it again as zip64.`);
}

function nameOf(entry: Entry): string {
  return yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
}

/** Folders, what macOS adds, and names that a listing would not show; `..` is only an odd name here. */
function isHidden(name: string): boolean {
  return name.endsWith('/') || name.startsWith('__MACOSX/') || /(^|\/)\.(?!\.?(\/|$))/.test(name);
}

async function* verified(chunks: Chunks, entry: Entry): AsyncGenerator<Buffer> {
  let crc = 0;
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > entry.uncompressedSize) break;
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (bytes !== entry.uncompressedSize)
    throw new BadData(`it is not as long as the archive says (${entry.uncompressedSize} bytes)`);
  if (crc !== entry.crc32) throw new BadData('its checksum (CRC-32) is another');
}

/** The library's errors carry nothing but a message; those of the file system have a code. */
function asBadFile(path: string, error: unknown): unknown {
  if (error instanceof LoadError || error instanceof BadData) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined) return /^E[A-Z]+$/.test(code) ? unreadable(path, error) : error;
  const reason = `The zip archive ${path} is broken (${message}). Pack or copy it again.`;
  return new BadFile('malformed', reason, {}, { cause: error });
}
