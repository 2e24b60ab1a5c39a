import { Readable } from 'node:stream';
import { encode } from 'iconv-lite';
import { BadFile } from '../errors';
import { detectFormat } from './detect';
import { feed, unstorable } from './bytes';
import { type Encoding, ENCODINGS, type FileInput } from './format-reader';
import { detectEncoding, openText } from './text';

/** A file whose streams come in pieces of a size. */
function fileOf(content: Buffer, piece = 64 * 1024): FileInput & { opened: Readable[] } {
  const opened: Readable[] = [];
  return {
    path: 'a.csv',
    bytes: content.length,
    opened,
    localPath: () => Promise.reject(new Error('not wanted')),
    open: () => {
      const stream = Readable.from(pieces(content, piece));
      opened.push(stream);
      return stream;
    },
  };
}

/** One stream was opened, and it is closed, now or soon. */
async function expectClosed({ opened: [stream, ...others] }: { opened: Readable[] }): Promise<void> {
  expect(others).toEqual([]);
  if (stream?.closed === false) await new Promise((resolve) => stream.once('close', resolve));
  expect(stream?.destroyed).toBe(true);
}

function* pieces(content: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function textOf(content: Buffer, encoding: Encoding, piece?: number): Promise<string> {
  const read: Buffer[] = [];
  for await (const bytes of openText(fileOf(content, piece), encoding) as AsyncIterable<Buffer>) read.push(bytes);
  return Buffer.concat(read).toString();
}

async function faultOf(content: Buffer, encoding: Encoding, piece?: number): Promise<BadFile> {
  const fault: unknown = await textOf(content, encoding, piece).then(
    (text) => `nothing raised, but read ${text}`,
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(BadFile);
  return fault as BadFile;
}

const MARKS: Partial<Record<Encoding, Buffer>> = {
  'utf-8': Buffer.from([0xef, 0xbb, 0xbf]),
  'utf-16le': Buffer.from([0xff, 0xfe]),
  'utf-16be': Buffer.from([0xfe, 0xff]),
};
const LATIN = 'id,name\r\n1,Müller\n2,Ægir ÿ\n';
const ANY = 'id,name\r\n1,Müller €\n2,日本 𝄞𝄞 \u{10ffff}\n';
const textFor = (encoding: Encoding) => (encoding.startsWith('utf') ? ANY : LATIN);
/** Without a mark; the library's word for UTF-16 adds one. */
const encoded = (text: string, encoding: Encoding) => encode(text, encoding, { addBOM: false });

describe('the encoding of a text', () => {
  it.each(Object.entries(MARKS))('is %s by its byte order mark', async (encoding, mark) => {
    expect(await detectEncoding(fileOf(Buffer.concat([mark, encoded('日本', encoding as Encoding)])))).toBe(encoding);
    expect(await detectEncoding(fileOf(mark, 1))).toBe(encoding);
  });

  it.each(['utf-16le', 'utf-16be'] as const)(
    'is %s without a mark when every second byte is zero',
    async (encoding) => {
      expect(await detectEncoding(fileOf(encoded('id,näme\n1,日\n', encoding)))).toBe(encoding);
      expect(await detectEncoding(fileOf(encoded('id,name\n'.repeat(20_000), encoding), 999))).toBe(encoding);
    },
  );

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['ASCII', Buffer.from('id,name\n')],
    ['Windows-1252, for a guess could change values', encoded(LATIN, 'windows-1252')],
    ['UTF-16 of other scripts without a mark', encoded('日本語日本語日本語,a', 'utf-16le')],
    ['text with zeros in it', Buffer.from('a,b\n1,\0\n2,\0\n3,\0\0\n')],
    ['zeros', Buffer.alloc(100)],
  ])('is taken for UTF-8 when it is %s', async (_, content) => {
    expect(await detectEncoding(fileOf(content))).toBe('utf-8');
  });

  it.each([Buffer.from([0xff, 0xfe, 0, 0, 97, 0, 0, 0]), Buffer.from([0, 0, 0xfe, 0xff, 0, 0, 0, 97])])(
    'is refused when it is UTF-32',
    async (content) => {
      await expect(detectEncoding(fileOf(content))).rejects.toMatchObject({
        name: 'BadFile',
        type: 'malformed',
        message: 'a.csv is written in UTF-32, which is not read. Save the file as UTF-8.',
      });
    },
  );

  it('is found without leaving the file open', async () => {
    const file = fileOf(Buffer.alloc(1024 * 1024, 'a'));
    await detectEncoding(file);
    await expectClosed(file);
  });
});

describe.each(ENCODINGS)('text in %s', (encoding) => {
  const text = textFor(encoding);

  it('becomes UTF-8, wherever its pieces are cut', async () => {
    const content = encoded(text, encoding);
    for (let piece = 1; piece <= content.length; piece++) expect(await textOf(content, encoding, piece)).toBe(text);
  });

  it('loses its mark and nothing else', async () => {
    const mark = MARKS[encoding];
    if (mark === undefined) return;
    for (const piece of [1, 2, 3, 4, 5, 1000]) {
      expect(await textOf(Buffer.concat([mark, encoded(text, encoding)]), encoding, piece)).toBe(text);
      expect(await textOf(Buffer.concat([mark, mark]), encoding, piece)).toBe('\ufeff');
      expect(await textOf(mark, encoding, piece)).toBe('');
    }
  });

  it('may be empty', async () => {
    expect(await textOf(Buffer.alloc(0), encoding)).toBe('');
  });

  it('is refused when the mark of another stands before it', async () => {
    for (const [other, mark] of Object.entries(MARKS).filter(([name]) => name !== encoding))
      expect(await faultOf(Buffer.concat([mark, Buffer.from('abcd')]), encoding)).toMatchObject({
        type: 'malformed',
        message: `a.csv begins with the byte order mark of ${other} but is read as ${encoding}. Set format.options.encoding to ${other}, or save the file as ${encoding}.`,
      });
  });

  it('closes the file when its reader stops early', async () => {
    const file = fileOf(encoded(text.repeat(10_000), encoding), 100);
    for await (const bytes of openText(file, encoding)) {
      void bytes;
      break;
    }
    await expectClosed(file);
  });

  it('passes on what reading the file raises', async () => {
    const file = fileOf(Buffer.alloc(0));
    file.open = () =>
      Readable.from(
        (function* () {
          yield encoded('a,b', encoding);
          throw new BadFile('not_found', 'a.csv went away while it was read.');
        })(),
      );
    const read = async (): Promise<void> => {
      for await (const bytes of openText(file, encoding)) void bytes;
    };
    await expect(read()).rejects.toMatchObject({ type: 'not_found' });
  });
});

it('UTF-8 passes as it is, without a copy', async () => {
  const content = Buffer.from('id\n\xff', 'latin1');
  for await (const bytes of openText(fileOf(content), 'utf-8') as AsyncIterable<Buffer>)
    expect([bytes.buffer === content.buffer, bytes.equals(content)]).toEqual([true, true]);
});

describe('Windows-1252', () => {
  const C1 = '€?‚ƒ„…†‡ˆ‰Š‹Œ?Ž??‘’“”•–—˜™š›œ?žŸ';
  const UNDEFINED = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

  it.each(Array.from({ length: 32 }, (_, at) => 0x80 + at))('knows the byte %d or refuses it', async (byte) => {
    const content = Buffer.from([0x61, 0x0a, 0x0d, 0x0a, 0x62, byte]);
    if (!UNDEFINED.includes(byte))
      return void expect(await textOf(content, 'windows-1252')).toBe(`a\n\r\nb${C1[byte - 0x80]}`);
    const hex = `0x${byte.toString(16).toUpperCase()}`;
    for (const piece of [1, 3, 100])
      expect(await faultOf(content, 'windows-1252', piece)).toMatchObject({
        type: 'malformed',
        retry: 'never',
        place: { line: 3 },
        message: `Line 3 of a.csv holds the byte ${hex}, which windows-1252 does not define. Correct it or set format.options.encoding.`,
      });
  });

  it('is ISO-8859-1 in all other bytes, which itself knows every byte', async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    expect(await textOf(all, 'iso-8859-1')).toBe(all.toString('latin1'));
    const common = Buffer.concat([all.subarray(0, 0x80), all.subarray(0xa0)]);
    expect(await textOf(common, 'windows-1252')).toBe(common.toString('latin1'));
  });
});

describe.each(['utf-16le', 'utf-16be'] as const)('broken %s', (encoding) => {
  const units = (...codes: number[]) => {
    const content = Buffer.alloc(codes.length * 2);
    for (const [at, code] of codes.entries())
      if (encoding === 'utf-16le') content.writeUInt16LE(code, at * 2);
      else content.writeUInt16BE(code, at * 2);
    return content;
  };
  const A = 0x61;
  const LF = 10;

  it.each([
    ['a first half alone', units(A, LF, 0xd834, A)],
    ['a second half alone', units(A, LF, 0xdd1e, A)],
    ['two first halves', units(A, LF, 0xd834, 0xd834, 0xdd1e)],
    ['halves the wrong way round', units(A, LF, 0xdd1e, 0xd834)],
    ['a first half at the end', units(A, LF, A, 0xd834)],
  ])('by %s is refused with its line', async (_, content) => {
    for (let piece = 1; piece <= content.length; piece++)
      expect(await faultOf(content, encoding, piece)).toMatchObject({
        type: 'malformed',
        place: { line: 2 },
        message: `Line 2 of a.csv holds half a character of ${encoding}. Save the file again, or set format.options.encoding.`,
      });
  });

  it('by a byte too many is refused', async () => {
    const content = Buffer.concat([units(A, LF, A), Buffer.from([1])]);
    for (let piece = 1; piece <= content.length; piece++)
      expect(await faultOf(content, encoding, piece)).toMatchObject({
        place: { line: 2 },
        message: `Line 2 of a.csv ends in the middle of a character of ${encoding}. Save the file again, or set format.options.encoding.`,
      });
  });
});

describe('a piece of text', () => {
  it('that is not UTF-8 is told with its line and what to do', () => {
    expect(unstorable(Buffer.from('a\nb\nM\xfcller\n', 'latin1'), 7)).toMatchObject({
      place: { line: 9 },
      message:
        'Line 9 is not valid UTF-8. Save the file as UTF-8 or set format.options.encoding (windows-1252, iso-8859-1, utf-16le, utf-16be).',
    });
  });

  it('may be as long as the limit and no longer', async () => {
    const read = (bytes: number, limit: number) =>
      feed(
        Readable.from(pieces(Buffer.alloc(bytes, 'a'), 100)),
        (all, last) => (last ? all.length : 0),
        () => Promise.resolve(true),
        limit,
      );
    await expect(read(2000, 2000)).resolves.toBeUndefined();
    await expect(read(2001, 2000)).rejects.toMatchObject({
      name: 'BadFile',
      type: 'limit',
      message:
        'One record is longer than 2000 bytes. Split the file, check its quotes, or raise SLUICE_MAX_RECORD_BYTES.',
    });
  });
});

describe('the format of a file', () => {
  it.each([
    ['a.csv', 'csv'],
    ['a.b/c.TSV.GZ', 'csv'],
    ['a.ndjson.zst', 'json'],
    ['a.json.bz2', 'json'],
    ['a.parquet', 'parquet'],
    ['a.avro', 'avro'],
    ['x.zip!/f/a.avro.gz', 'avro'],
  ])('of %s is %s', (path, format) => expect(detectFormat(path)).toBe(format));

  it.each(['a.zip', 'a.gz', 'a', 'a.csv/b', 'a.csv.gz.gz', 'a.tar.gz'])('of %s is not known', (path) =>
    expect(() => detectFormat(path)).toThrow(
      `The format of ${path} cannot be told from its name. Set format.type to csv, json, ndjson, parquet or avro.`,
    ),
  );
});
