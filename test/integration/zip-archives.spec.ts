import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { ZipFile } from 'yazl';
import { BadFile } from '@sluice/connectors';
import { bytesOf, compressedRows, contentOf, fixture, sourceFolder, type SourceFolder } from '../support/source-files';

const MIB = 1024 * 1024;
/** Milliseconds; for tests that read a file some hundred times. */
const SLOW = 60_000;
const ROWS = compressedRows();
const LOCAL_HEADER = 'PK\x03\x04';
const DIRECTORY_ENTRY = 'PK\x01\x02';
const END_OF_DIRECTORY = 'PK\x05\x06';
let source: SourceFolder;

beforeAll(async () => void (source = await sourceFolder()));
afterAll(() => source.close());

type Members = Record<string, string | Buffer>;

async function zip(
  members: Members,
  options: { compress?: boolean; forceZip64Format?: boolean } = {},
): Promise<Buffer> {
  const archive = new ZipFile();
  for (const [name, content] of Object.entries(members))
    if (name.endsWith('/')) archive.addEmptyDirectory(name);
    else archive.addBuffer(Buffer.from(content), name, options);
  archive.end({ forceZip64Format: options.forceZip64Format ?? false });
  return await buffer(archive.outputStream as NodeJS.ReadableStream);
}

/** The archive with bytes set at offsets from where the `nth` mark of a kind begins. */
function patched(archive: Buffer, mark: string, bytes: Record<number, number[]>, nth = 0): Buffer {
  const copy = Buffer.from(archive);
  let at = copy.indexOf(mark, 0, 'latin1');
  for (let left = nth; left > 0; left--) at = copy.indexOf(mark, at + 1, 'latin1');
  for (const [offset, values] of Object.entries(bytes)) copy.set(values, at + Number(offset));
  return copy;
}

/** A name of the same length instead. The library that writes archives refuses the odd ones. */
function renamed(archive: Buffer, from: string, to: string): Buffer {
  return Buffer.from(archive.toString('latin1').replaceAll(from, to), 'latin1');
}

async function read(content: Buffer, limits = {}): Promise<Record<string, string>> {
  const file = await source.open('archive.zip', content, limits);
  try {
    return await contentOf(file);
  } finally {
    await file.close();
  }
}

async function faultOf(content: Buffer, limits = {}): Promise<BadFile> {
  const fault: unknown = await read(content, limits).then(
    () => 'nothing raised',
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(BadFile);
  return fault as BadFile;
}

describe('a zip archive', () => {
  it.each([
    ['deflated', {}],
    ['stored', { compress: false }],
    ['zip64', { forceZip64Format: true }],
  ])('is read by its members, %s, by name in byte order', async (_, options) => {
    const archive = await zip({ 'b.csv': 'b', 'a/z.csv': ROWS, 'ä.csv': 'ä', 'B.csv': 'B', 'empty.csv': '' }, options);
    const found = await read(archive);
    expect(found).toEqual({
      'archive.zip!/B.csv': 'B',
      'archive.zip!/a/z.csv': ROWS,
      'archive.zip!/b.csv': 'b',
      'archive.zip!/empty.csv': '',
      'archive.zip!/ä.csv': 'ä',
    });
    expect(Object.keys(found)).toEqual(
      ['B.csv', 'a/z.csv', 'b.csv', 'empty.csv', 'ä.csv'].map((n) => `archive.zip!/${n}`),
    );
  });

  it('is known by its first bytes whatever it is called', async () => {
    const file = await source.open('data.bin', await zip({ 'a.csv': 'a' }));
    expect(await contentOf(file)).toEqual({ 'data.bin!/a.csv': 'a' });
  });

  it('hides folders, names that begin with a point and what macOS adds', async () => {
    const members = {
      'f/': '',
      'f/a.csv': 'a',
      '.hidden.csv': 'h',
      'f/.DS_Store': 'd',
      '.git/x.csv': 'x',
      '__MACOSX/._a.csv': 'm',
    };
    expect(await read(await zip(members))).toEqual({ 'archive.zip!/f/a.csv': 'a' });
  });

  it('may hold compressed files', async () => {
    const archive = await zip({
      'a.csv.gz': gzipSync(ROWS),
      'b.csv.zst': await fixture('compressed/rows.csv.zst'),
      'c.csv.bz2': await fixture('compressed/rows.csv.bz2'),
      'd.csv': gzipSync(ROWS),
    });
    expect(Object.values(await read(archive))).toEqual([ROWS, ROWS, ROWS, ROWS]);
  });

  it('names the member whose inner compression is broken', async () => {
    const fault = await faultOf(await zip({ 'a.csv.gz': gzipSync(ROWS).subarray(0, -3) }));
    expect(fault.message).toBe(
      'The gzip data of archive.zip!/a.csv.gz cannot be read: it ends too early. Compress or copy the file again.',
    );
  });

  it('writes nothing by a name that leads elsewhere, it only calls the member so', async () => {
    const archive = renamed(await zip({ 'xx/xx/evil.csv': 'evil' }), 'xx/xx/', '../../');
    const file = await source.open('deep/er/archive.zip', archive);
    const [part] = await file.parts();
    expect(part?.path).toBe('deep/er/archive.zip!/../../evil.csv');
    const local = (await part?.localPath()) ?? '';
    expect(local.startsWith(source.tempDir)).toBe(true);
    expect(await readFile(local, 'utf8')).toBe('evil');
    await expect(access(join(source.folder, 'evil.csv'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('has the hash of all its bytes as version', async () => {
    const archive = await zip({ 'a.csv': 'a' });
    const file = await source.open('archive.zip', archive);
    await contentOf(file);
    expect(await file.version()).toBe(`sha256:${createHash('sha256').update(archive).digest('hex')}`);
  });

  it('tells the bytes of its members as they lie in it', async () => {
    const file = await source.open('archive.zip', await zip({ 'a.csv': 'a'.repeat(1000) }, { compress: false }));
    expect((await file.parts()).map(({ bytes }) => bytes)).toEqual([1000]);
  });
});

describe('a zip archive is refused', () => {
  const two = () => zip({ 'a.csv': ROWS, 'b.csv': 'b'.repeat(100) });

  it(
    'when it is cut anywhere',
    async () => {
      const archive = await zip({ 'a.csv': 'a'.repeat(50), 'b.csv.gz': gzipSync('b') });
      for (let length = 0; length < archive.length; length++)
        expect([length, await faultOf(archive.subarray(0, length))]).toMatchObject([
          length,
          { type: 'malformed', retry: 'never' },
        ]);
    },
    SLOW,
  );

  it(
    'when bits are turned, or reads the same',
    async () => {
      const archive = await zip({ 'a.csv': 'abc'.repeat(50), 'b.csv': 'b'.repeat(100) });
      const whole = Object.values(await read(archive));
      for (let at = 0; at < archive.length; at++) {
        const bent = Buffer.from(archive);
        bent.writeUInt8(bent.readUInt8(at) ^ (1 << (at & 7)), at);
        const found = await read(bent).then(Object.values, (error: unknown) => error);
        // The name of a member is nowhere told twice, so it may change: even so much that the member is hidden.
        if (found instanceof Error) expect([at, found]).toMatchObject([at, { name: 'BadFile' }]);
        else expect(whole).toEqual(expect.arrayContaining(found as string[]));
      }
    },
    SLOW,
  );

  it('when it says nothing but that it is one', async () => {
    expect((await faultOf(Buffer.from('id,name\n1,a\n'))).message).toBe(
      'The zip archive archive.zip is broken (End of central directory record signature not found. Either not a zip file, or file is truncated.). Pack or copy it again.',
    );
  });

  it.each([
    ['holds nothing', {}],
    ['holds only what is hidden', { 'f/': '', '.a': 'a' }],
  ])('when it %s', async (_, members) => {
    expect(await faultOf(await zip(members as Members))).toMatchObject({
      type: 'malformed',
      message: 'archive.zip holds no files. Pack the archive again.',
    });
  });

  it('when a member is encrypted', async () => {
    const encrypted = patched(await two(), DIRECTORY_ENTRY, { 8: [1, 8] });
    expect((await faultOf(encrypted)).message).toBe(
      'a.csv in archive.zip is encrypted. Pack the archive without a password.',
    );
  });

  it('when a member is packed by a method that is not read', async () => {
    expect((await faultOf(patched(await two(), DIRECTORY_ENTRY, { 10: [14, 0] }))).message).toBe(
      'a.csv in archive.zip is packed by method 14; only 0 (stored) and 8 (deflate) are read. Pack it again.',
    );
  });

  it('when a member is a symbolic link', async () => {
    const archive = new ZipFile();
    archive.addBuffer(Buffer.from('target.csv'), 'link.csv', { mode: 0o120777 });
    archive.end();
    const content = await buffer(archive.outputStream as NodeJS.ReadableStream);
    expect((await faultOf(content)).message).toBe(
      'link.csv in archive.zip is a symbolic link. Pack the file that it leads to.',
    );
  });

  it.each(['inner.zip', 'inner.csv'])('when a member is an archive itself, called %s', async (name) => {
    const fault = await faultOf(await zip({ [name]: await two() }));
    expect(fault.message).toContain('is an archive within the archive. Unpack the outer one.');
  });

  it('when a member has another checksum', async () => {
    const bent = patched(await two(), DIRECTORY_ENTRY, { 16: [1, 2, 3, 4] });
    expect(await faultOf(bent)).toMatchObject({
      type: 'malformed',
      message: 'a.csv in archive.zip cannot be read: its checksum (CRC-32) is another. Pack or copy the archive again.',
    });
  });

  it.each([
    ['shorter', [10, 0, 0, 0]],
    ['longer', [0, 0, 99, 0]],
  ])('when a member says that it is %s than it is', async (_, size) => {
    expect((await faultOf(patched(await two(), DIRECTORY_ENTRY, { 24: size }))).message).toContain(
      'it is not as long as the archive says',
    );
  });

  it('when the directory holds more than it says', async () => {
    const short = patched(await two(), END_OF_DIRECTORY, { 8: [1, 0, 1, 0] });
    expect((await faultOf(short)).message).toBe(
      'The zip archive archive.zip holds more files than it says. Pack it again as zip64.',
    );
  });

  it('when a member lies where no member is', async () => {
    expect((await faultOf(patched(await two(), LOCAL_HEADER, { 0: [0, 0] }))).message).toMatch(
      /^The zip archive archive.zip is broken \(.*\)\. Pack or copy it again\.$/,
    );
  });

  it('when members overlap', async () => {
    const overlapping = patched(await two(), DIRECTORY_ENTRY, { 42: [0, 0, 0, 0] }, 1);
    expect((await faultOf(overlapping)).message).toBe(
      'b.csv in archive.zip overlaps another file of the archive. Pack it again.',
    );
  });

  it('when all its members together are too large, before one is read', async () => {
    const archive = await zip({ 'a.csv': 'a'.repeat(60), 'b.csv': 'b'.repeat(60) });
    expect(Object.keys(await read(archive, { expandedBytes: 120 }))).toHaveLength(2);
    const file = await source.open('archive.zip', archive, { expandedBytes: 119 });
    await expect(file.parts()).rejects.toMatchObject({
      name: 'BadFile',
      type: 'limit',
      message:
        'archive.zip expands to more than 119 bytes. Split it, or raise SLUICE_MAX_EXPANDED_BYTES if you trust it.',
    });
  });

  it('when what its members hold compressed is too large together', async () => {
    const archive = await zip({ 'a.csv.gz': gzipSync('a'.repeat(600)), 'b.csv.gz': gzipSync('b'.repeat(600)) });
    expect(Object.keys(await read(archive, { expandedBytes: 1200 }))).toHaveLength(2);
    expect(await faultOf(archive, { expandedBytes: 1199 })).toMatchObject({ type: 'limit' });
  });

  it('when its members together expand too many times', async () => {
    const half = Buffer.alloc(35 * MIB);
    const archive = await zip({ 'a.csv': half, 'b.csv': half });
    expect((await faultOf(archive, { ratio: 500 })).message).toBe(
      `archive.zip expands to more than 500 times its ${archive.length} bytes. Split it, or raise SLUICE_MAX_EXPANSION_RATIO if you trust it.`,
    );
    expect(Object.keys(await read(archive, { ratio: 2000 }))).toHaveLength(2);
  });
});

it('members are read side by side, each as often as wanted', async () => {
  const file = await source.open('archive.zip', await zip({ 'a.csv': ROWS, 'b.csv': 'b' }), {
    expandedBytes: Buffer.byteLength(ROWS) + 1,
  });
  const parts = await file.parts();
  const read = await Promise.all([...parts, ...parts, ...parts].map(bytesOf));
  expect(read.map(String)).toEqual([ROWS, 'b', ROWS, 'b', ROWS, 'b']);
});
