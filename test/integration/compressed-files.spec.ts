import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { BadFile, FileSource, type SourceFile } from '@sluice/connectors';
import { bytesOf, compressedRows, contentOf, fixture, sourceFolder, type SourceFolder } from '../support/source-files';
import { until } from '../support/until';

const ROWS = compressedRows();
const MIB = 1024 * 1024;
/** Milliseconds; for tests that read a file some hundred times. */
const SLOW = 180_000;
const ENDINGS = ['gz', 'zst', 'bz2'] as const;
type Ending = (typeof ENDINGS)[number];
const NAMES = { gz: 'gzip', zst: 'zstd', bz2: 'bzip2' } as const;
let packed: Record<Ending, Buffer>;
let zeros: Buffer;
let source: SourceFolder;

beforeAll(async () => {
  source = await sourceFolder();
  zeros = await fixture('compressed/zeros.bz2');
  packed = {
    gz: gzipSync(ROWS),
    zst: await fixture('compressed/rows.csv.zst'),
    bz2: await fixture('compressed/rows.csv.bz2'),
  };
});
afterAll(() => source.close());

/** The text of a file's only part. */
async function textOf(file: SourceFile): Promise<string> {
  const [part] = await file.parts();
  if (part === undefined) throw new Error('no part');
  return (await bytesOf(part)).toString();
}

async function readAs(path: string, content: Buffer, limits = {}): Promise<string> {
  const file = await source.open(path, content, limits);
  try {
    return await textOf(file);
  } finally {
    await file.close();
  }
}

/** The fault that reading raises. */
async function faultOf(path: string, content: Buffer, limits = {}): Promise<BadFile> {
  const fault: unknown = await readAs(path, content, limits).then(
    () => 'nothing raised',
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(BadFile);
  return fault as BadFile;
}

describe.each(ENDINGS)('a .%s file', (ending) => {
  const path = `rows.csv.${ending}`;
  const said = (reason: string) =>
    `The ${NAMES[ending]} data of ${path} cannot be read: ${reason}. Compress or copy the file again.`;

  it('is read as what was compressed', async () => {
    expect(await readAs(path, packed[ending])).toBe(ROWS);
  });

  it('may be several, one after the other', async () => {
    expect(await readAs(path, Buffer.concat([packed[ending], packed[ending], packed[ending]]))).toBe(ROWS.repeat(3));
  });

  it('is known by its first bytes whatever it is called', async () => {
    expect(await readAs('rows.csv', packed[ending])).toBe(ROWS);
    expect(await readAs(`rows.csv.${ending === 'gz' ? 'zst' : 'gz'}`, packed[ending])).toBe(ROWS);
  });

  it('is refused when its name alone says that it is compressed', async () => {
    const fault = await faultOf(path, Buffer.from('id,name\n1,a\n'));
    expect(fault).toMatchObject({ type: 'malformed', retry: 'never' });
    expect(fault.message).toContain(`The ${NAMES[ending]} data of ${path} cannot be read: `);
  });

  it('that is empty is refused', async () => {
    expect((await faultOf(path, Buffer.alloc(0))).message).toBe(said('it ends too early'));
  });

  it(
    'cut anywhere is never read as a shorter one',
    async () => {
      for (let length = 0; length < packed[ending].length; length++)
        expect(await faultOf(path, packed[ending].subarray(0, length))).toMatchObject({
          type: 'malformed',
          message: said('it ends too early'),
        });
    },
    SLOW,
  );

  it(
    'cut in the second of two is never read as the first',
    async () => {
      const two = Buffer.concat([packed[ending], packed[ending]]);
      for (let length = packed[ending].length + 1; length < two.length; length += 7)
        expect((await faultOf(path, two.subarray(0, length))).type).toBe('malformed');
    },
    SLOW,
  );

  it(
    'with a bit turned is refused or reads the same',
    async () => {
      for (let at = 0; at < packed[ending].length; at++) {
        const bent = Buffer.from(packed[ending]);
        bent.writeUInt8(bent.readUInt8(at) ^ (1 << (at & 7)), at);
        const text = await readAs(path, bent).catch((error: unknown) => error);
        // A larger window is a limit.
        const fault = { name: 'BadFile', type: expect.stringMatching(/^(malformed|limit)$/) as unknown };
        if (text !== ROWS) expect([at, text]).toMatchObject([at, fault]);
      }
    },
    SLOW,
  );

  it.each([
    ['text', Buffer.from('something else, long enough')],
    ['zeros', Buffer.alloc(40)],
    ['zeros and then another', null],
  ])('followed by %s is refused, for what follows would be lost', async (_, tail) => {
    const all = Buffer.concat([packed[ending], tail ?? Buffer.concat([Buffer.alloc(40), packed[ending]])]);
    const fault = await faultOf(path, all);
    expect(fault.type).toBe('malformed');
    expect(fault.message).toMatch(/other data follows its end|incorrect header check/);
  });

  it('beyond the largest size is refused by the name of the setting', async () => {
    const fault = await faultOf(path, packed[ending], { expandedBytes: 100_000 });
    expect(fault).toMatchObject({ type: 'limit', retry: 'never' });
    expect(fault.message).toBe(
      `${path} expands to more than 100000 bytes. Split it, or raise SLUICE_MAX_EXPANDED_BYTES if you trust it.`,
    );
  });

  it('of exactly the largest size is read, and any number of times', async () => {
    const file = await source.open(path, packed[ending], { expandedBytes: Buffer.byteLength(ROWS) });
    for (let time = 0; time < 3; time++) expect(await textOf(file)).toBe(ROWS);
  });

  it('has the hash of its compressed bytes as version, of those that were read', async () => {
    const file = await source.open(path, packed[ending]);
    await textOf(file);
    await source.write(path, 'something else');
    expect(await file.version()).toBe(`sha256:${createHash('sha256').update(packed[ending]).digest('hex')}`);
    await expect(file.assertUnchanged()).rejects.toMatchObject({ type: 'changed', retry: 'later' });
  });

  it('is hashed whole when it was read in part', async () => {
    const file = await source.open(path, packed[ending]);
    const [part] = await file.parts();
    for await (const piece of part?.open() ?? []) {
      void piece;
      break;
    }
    expect(await file.version()).toBe(`sha256:${createHash('sha256').update(packed[ending]).digest('hex')}`);
  });

  it('is spooled once for readers that need a file, in a folder nobody else may enter, gone when closed', async () => {
    const file = await source.open(path, packed[ending]);
    const [part] = await file.parts();
    const local = (await part?.localPath()) ?? '';
    expect(await part?.localPath()).toBe(local);
    expect(await readFile(local, 'utf8')).toBe(ROWS);
    expect((await stat(dirname(local))).mode & 0o777).toBe(0o700);
    expect((await stat(local)).mode & 0o777).toBe(0o600);
    expect(await source.spooled()).toHaveLength(1);
    await file.close();
    expect(await source.spooled()).toEqual([]);
  });

  it('that is broken leaves no copy behind', async () => {
    const file = await source.open(path, packed[ending].subarray(0, -5));
    const [part] = await file.parts();
    await expect(part?.localPath()).rejects.toMatchObject({ type: 'malformed' });
    await file.close();
    expect(await source.spooled()).toEqual([]);
  });
});

it('a reader that stops early leaves no file open', async () => {
  const path = 'rows.csv';
  const file = await source.open(path, Buffer.from(ROWS));
  const zstd = await source.open('rows.csv.zst', Buffer.concat(Array.from({ length: 40_000 }, () => packed.zst)));
  for (const opened of [file, zstd]) {
    const stream = (await opened.parts())[0]?.open();
    for await (const piece of stream ?? []) if ((piece as Buffer).length > 0) break;
    expect(stream?.destroyed).toBe(true);
  }
  await until(async () => (await openPaths()).every((open) => !open.startsWith(source.folder)));
});

describe('gzip', () => {
  it('of a thousand members is read', async () => {
    const members = Array.from({ length: 1000 }, (_, at) => gzipSync(`${at}\n`));
    const text = Array.from({ length: 1000 }, (_, at) => `${at}\n`).join('');
    expect(await readAs('many.csv.gz', Buffer.concat(members))).toBe(text);
  });

  it('of more than 64 MiB and a thousand times its size is a bomb', async () => {
    const bomb = gzipSync(Buffer.alloc(80 * MIB));
    const fault = await faultOf('bomb.csv.gz', bomb, { ratio: 500 });
    expect(fault).toMatchObject({ type: 'limit', retry: 'never' });
    expect(fault.message).toBe(
      `bomb.csv.gz expands to more than 500 times its ${bomb.length} bytes. Split it, or raise SLUICE_MAX_EXPANSION_RATIO if you trust it.`,
    );
  });

  it('may expand as far as it likes up to 64 MiB', async () => {
    const file = await source.open('small.csv.gz', gzipSync(Buffer.alloc(64 * MIB)), { ratio: 1 });
    const [part] = await file.parts();
    let bytes = 0;
    for await (const piece of part?.open() ?? []) bytes += (piece as Buffer).length;
    expect(bytes).toBe(64 * MIB);
  });
});

describe('zstd', () => {
  const header = (...bytes: number[]) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...bytes]);
  /** A block that repeats one byte `times` times: four bytes of file. */
  const repeated = (byte: number, times: number, last = false) =>
    Buffer.from([((times << 3) & 255) | 2 | (last ? 1 : 0), (times >> 5) & 255, (times >> 13) & 255, byte]);

  it(
    'without size and checksum is read, and never a shorter one',
    async () => {
      const unsized = await fixture('compressed/unsized.csv.zst');
      expect(await readAs('rows.csv.zst', unsized)).toBe(ROWS);
      for (let length = 0; length < unsized.length; length++)
        expect((await faultOf('rows.csv.zst', unsized.subarray(0, length))).type).toBe('malformed');
    },
    SLOW,
  );

  it('may hold frames to be skipped', async () => {
    const skipped = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('notes')]);
    expect(await readAs('rows.csv', Buffer.concat([skipped, packed.zst, skipped]))).toBe(ROWS);
    expect((await faultOf('rows.csv', Buffer.concat([packed.zst, skipped.subarray(0, -1)]))).type).toBe('malformed');
  });

  it('with another checksum is refused', async () => {
    const bent = Buffer.from(packed.zst);
    bent.writeUInt8(bent.readUInt8(bent.length - 1) ^ 1, bent.length - 1);
    expect((await faultOf('rows.csv.zst', bent)).message).toContain('it is broken, or its checksum is another');
  });

  it('that says another size than it has is refused', async () => {
    // One segment, a size of two bytes (less 256): 300 said, 299 there.
    const bent = Buffer.concat([header(0x60, 44, 0), repeated(97, 299, true)]);
    expect((await faultOf('x.csv', bent)).message).toContain('The zstd data of x.csv cannot be read: ');
    const right = Buffer.concat([header(0x60, 43, 0), repeated(97, 299, true)]);
    expect(await readAs('x.csv', right)).toBe('a'.repeat(299));
  });

  it('that needs more than 8 MiB of memory is refused by the name of the option', async () => {
    const fault = await faultOf('x.csv', Buffer.concat([header(0, (13 << 3) | 1), repeated(97, 10, true)]));
    expect(fault.type).toBe('limit');
    expect(fault.message).toBe(
      'The zstd data of x.csv cannot be read: its window is 9 MiB, and at most 8 MiB are read (zstd -19 or less, without --long). Compress or copy the file again.',
    );
  });

  it(
    'that needs 8 MiB is read, by several readers at once and again',
    async () => {
      const blocks = Array.from({ length: 160 }, (_, at) => repeated(97 + (at % 26), 128 * 1024));
      const large = Buffer.concat([header(0, 13 << 3), ...blocks, repeated(97, 10, true)]);
      const text = Array.from({ length: 160 }, (_, at) => String.fromCharCode(97 + (at % 26)).repeat(128 * 1024));
      for (let time = 0; time < 3; time++) {
        const read = await Promise.all(['x', 'y', 'z'].map((name) => readAs(`${name}.csv`, large)));
        expect(read.every((one) => one === `${text.join('')}aaaaaaaaaa`)).toBe(true);
      }
    },
    SLOW,
  );

  it('that needs a dictionary is refused', async () => {
    const fault = await faultOf('x.csv', Buffer.concat([header(1, 0, 7), repeated(97, 10, true)]));
    expect(fault.message).toContain('it was made with a dictionary, and there is none here');
  });

  it('that expands a hundred thousand times comes in small pieces and ends at the limit', async () => {
    const bomb = Buffer.concat([
      header(0, 7 << 3),
      ...Array.from({ length: 8000 }, () => repeated(97, 128 * 1024)),
      repeated(97, 1, true),
    ]);
    const file = await source.open('bomb.csv.zst', bomb);
    const { largest, bytes } = await piecesUntilFault(file, 'limit');
    expect(largest).toBeLessThanOrEqual(MIB + 128 * 1024);
    expect(bytes).toBeLessThanOrEqual(64 * MIB);
  });
});

describe('bzip2', () => {
  it('that expands a million times comes in small pieces and ends at the limit', async () => {
    const bomb = Buffer.concat(Array.from({ length: 3 }, () => zeros));
    const file = await source.open('bomb.csv.bz2', bomb);
    const { largest, bytes } = await piecesUntilFault(file, 'limit');
    expect(largest).toBeLessThanOrEqual(MIB + 255);
    expect(bytes).toBeLessThanOrEqual(64 * MIB);
  });

  it('of nothing is nothing', async () => {
    expect(await readAs('x.csv.bz2', Buffer.from('425a683917724538509000000000', 'hex'))).toBe('');
  });

  it('says which checksum is wrong', async () => {
    const bent = Buffer.from(packed.bz2);
    bent.writeUInt8(bent.readUInt8(12) ^ 1, 12);
    expect((await faultOf('rows.csv.bz2', bent)).message).toContain('its checksum is another');
  });

  it(
    'is read as another implementation wrote it, whatever it holds',
    async () => {
      const folder = join(source.folder, 'peer');
      await source.write('peer/make.py', PEER);
      await promisify(execFile)('python3', [join(folder, 'make.py'), folder]);
      const names = (await readdir(folder)).filter((name) => name.endsWith('.bz2'));
      expect(names.length).toBeGreaterThan(20);
      for (const name of names) {
        const file = await source.open(`peer/${name}`, await readFile(join(folder, name)));
        const [part] = await file.parts();
        if (part === undefined) throw new Error('no part');
        const plain = await readFile(join(folder, name.slice(0, -4)));
        expect([name, plain.equals(await bytesOf(part))]).toEqual([name, true]);
      }
    },
    SLOW,
  );
});

describe('a plain file', () => {
  it('is read as it is and is its own local file', async () => {
    const file = await source.open('plain.csv', ROWS);
    const [part] = await file.parts();
    expect(await contentOf(file)).toEqual({ 'plain.csv': ROWS });
    expect(await part?.localPath()).toBe(join(source.folder, 'plain.csv'));
    await file.close();
    expect(await readFile(join(source.folder, 'plain.csv'), 'utf8')).toBe(ROWS);
  });

  it.each([0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 3 * MIB])('of %d bytes is read whole', async (bytes) => {
    const content = Buffer.alloc(bytes, 'abcdefg');
    const file = await source.open('sized.csv', content);
    const [part] = await file.parts();
    if (part === undefined) throw new Error('no part');
    expect(content.equals(await bytesOf(part))).toBe(true);
    expect(await file.version()).toBe(`sha256:${createHash('sha256').update(content).digest('hex')}`);
  });

  it('may begin with the letters of an archive', async () => {
    expect(await readAs('letters.csv', Buffer.from('BZh9,PK\n1,2\n'))).toBe('BZh9,PK\n1,2\n');
  });

  it('tells when it was changed last', async () => {
    await source.write('times/a.csv', 'a');
    const limits = { expandedBytes: 1, ratio: 1 };
    const { folder, tempDir } = source;
    const files = new FileSource({ path: join(folder, 'times'), pattern: '*', roots: [folder], tempDir, limits });
    const seen: (number | null)[] = [];
    for await (const { modifiedAt } of files.list(new AbortController().signal)) seen.push(modifiedAt);
    expect(seen).toEqual([Math.trunc((await stat(join(folder, 'times/a.csv'))).mtimeMs)]);
  });

  it('that goes away before it is looked at is not found, for now', async () => {
    const file = await source.open('gone.csv', 'b');
    await rm(join(source.folder, 'gone.csv'));
    await expect(file.parts()).rejects.toMatchObject({
      name: 'BadFile',
      type: 'not_found',
      retry: 'later',
      message: 'gone.csv went away while it was read.',
    });
  });
});

it('a folder for copies that cannot be written to is told by its setting', async () => {
  const blocked = await sourceFolder();
  try {
    const file = await blocked.open('rows.csv.gz', packed.gz);
    await rm(blocked.tempDir, { recursive: true });
    await writeFile(blocked.tempDir, 'a file');
    const [part] = await file.parts();
    await expect(part?.localPath()).rejects.toMatchObject({
      name: 'BadFile',
      type: 'limit',
      retry: 'later',
      message: `No copy could be written to ${blocked.tempDir} (EEXIST). Make room there, or set SLUICE_TEMP_DIR to another folder.`,
    });
  } finally {
    await blocked.close();
  }
});

it('a file closed while it is spooled leaves nothing behind', async () => {
  const big = gzipSync(Buffer.alloc(60 * MIB));
  const file = await source.open('closing.csv.gz', big);
  const [part] = await file.parts();
  const copied = part?.localPath().then(
    () => 'copied',
    () => 'stopped',
  );
  await file.close();
  expect(await copied).toBe('stopped');
  expect(await source.spooled()).toEqual([]);
});

async function piecesUntilFault(file: SourceFile, type: string): Promise<{ largest: number; bytes: number }> {
  const seen = { largest: 0, bytes: 0 };
  const read = async (): Promise<void> => {
    for await (const piece of (await file.parts())[0]?.open() ?? []) {
      seen.largest = Math.max(seen.largest, (piece as Buffer).length);
      seen.bytes += (piece as Buffer).length;
    }
  };
  await expect(read()).rejects.toMatchObject({ name: 'BadFile', type });
  return seen;
}

/** What this process has open, by path. */
async function openPaths(): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd');
  return await Promise.all(numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')));
}

/** Contents of every kind, each with three block sizes, by Python's own bz2. */
const PEER = `
import bz2, os, random, sys
random.seed(7)
word = lambda: bytes(random.choice(b'abcdefgh') for _ in range(random.randint(1, 9)))
contents = {
    'byte': b'x',
    'runs': b''.join(bytes([random.randrange(256)]) * random.choice([1, 2, 3, 4, 5, 6, 254, 255, 256, 257, 258, 259, 260, 1000]) for _ in range(3000)),
    'four': b'aaaa' * 100001,
    'all': bytes(range(256)) * 900,
    'random': random.randbytes(350000),
    'words': b' '.join(word() for _ in range(200000)),
    'periodic': (b'ab' * 499999) + b'c',
    'block': bytes(i % 251 for i in range(900000)),
}
for name, content in contents.items():
    for level in (1, 5, 9):
        path = os.path.join(sys.argv[1], f'{name}-{level}')
        open(path, 'wb').write(content)
        open(path + '.bz2', 'wb').write(bz2.compress(content, level))
`;
