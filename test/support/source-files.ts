import { ZipFile } from 'yazl';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type FileInput, FileSource, type FileSourceOptions, type SourceFile } from '@sluice/connectors';

export interface SourceFolder {
  folder: string;
  tempDir: string;
  write(path: string, content: string | Buffer): Promise<void>;
  /** Writes the file and opens it as a run would; closed with the folder. */
  open(path: string, content: string | Buffer, limits?: Partial<FileSourceOptions['limits']>): Promise<SourceFile>;
  /** What readers left in the folder for spooled files. */
  spooled(): Promise<string[]>;
  close(): Promise<void>;
}

/** A folder with a `FileSource`, and a temporary folder of its own. */
export async function sourceFolder(): Promise<SourceFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-source-'));
  const tempDir = await mkdtemp(join(tmpdir(), 'sluice-temp-'));
  const opened: SourceFile[] = [];
  const write = async (path: string, content: string | Buffer): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  };
  return {
    folder,
    tempDir,
    write,
    open: async (path, content, limits = {}) => {
      await write(path, content);
      const file = await openEntry(path, {
        path: folder,
        pattern: '**/*',
        roots: [folder],
        tempDir,
        limits: { expandedBytes: 2 ** 40, ratio: 1000, ...limits },
      });
      opened.push(file);
      return file;
    },
    spooled: () => readdir(tempDir),
    close: async () => {
      await Promise.all(opened.map((file) => file.close()));
      await Promise.all([folder, tempDir].map((path) => rm(path, { recursive: true, force: true })));
    },
  };
}

async function openEntry(path: string, options: FileSourceOptions): Promise<SourceFile> {
  const source = new FileSource(options);
  for await (const entry of source.list(new AbortController().signal))
    if (entry.path === path) return await source.open(entry);
  throw new Error(`the source does not list ${path}`);
}

export async function bytesOf(input: FileInput): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of input.open() as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** All parts, by their paths. */
export async function contentOf(file: SourceFile): Promise<Record<string, string>> {
  const parts = await file.parts();
  return Object.fromEntries(
    await Promise.all(parts.map(async (part) => [part.path, (await bytesOf(part)).toString()] as const)),
  );
}

export function fixture(name: string): Promise<Buffer> {
  return readFile(join(__dirname, '../fixtures', name));
}

/** The plain content of the files in `fixtures/compressed`. */
export function compressedRows(): string {
  const rows = Array.from({ length: 20_000 }, (_, at) => `${at % 7},née ${at % 7}\n`);
  return `id,name\n${rows.join('')}`;
}

/** A zip archive of these members. */
export async function zipOf(members: Record<string, string | Buffer>): Promise<Buffer> {
  const archive = new ZipFile();
  for (const [name, content] of Object.entries(members)) archive.addBuffer(Buffer.from(content), name);
  archive.end();
  const chunks: Buffer[] = [];
  for await (const chunk of archive.outputStream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
