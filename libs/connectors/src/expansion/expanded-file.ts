import { BadFile } from '../errors';
import type { FileInput } from '../formats/format-reader';
import type { SourceFile } from '../sources/source';
import { ExpansionBudget, type ExpansionLimits } from './budget';
import type { Chunks } from './chunks';
import { type Compression, expanded, MAGIC_BYTES, packingOf } from './compression';
import { Part } from './part';
import type { RawFile } from './raw-file';
import { Spool } from './spool';
import { withHead } from './with-head';
import { ZipArchive } from './zip/archive';
import type { ZipMember } from './zip/checks';

export interface ExpansionOptions {
  /** Where copies are kept for readers that need a local file. SLUICE_TEMP_DIR. */
  tempDir: string;
  limits: ExpansionLimits;
}

/** What a source adds to the bytes of an entry. */
export interface EntryGuard {
  /** Raises `BadFile` (`changed`) when the entry is no longer what the listing saw. */
  assertUnchanged(): Promise<void>;
  /** Gives up what the source holds for the raw file. Never raises. */
  close?(): Promise<void>;
}

/** An entry of any source, expanded: plain, compressed, or an archive. */
export class ExpandedFile implements SourceFile {
  readonly path: string;
  readonly bytes: number;
  private readonly spool: Spool;
  private readonly budget: ExpansionBudget;
  private found: Promise<readonly FileInput[]> | null = null;
  private archive: ZipArchive | null = null;

  constructor(
    private readonly raw: RawFile,
    options: ExpansionOptions,
    private readonly guard: EntryGuard,
  ) {
    this.path = raw.path;
    this.bytes = raw.bytes;
    this.spool = new Spool(options.tempDir);
    this.budget = new ExpansionBudget(raw.path, raw.bytes, options.limits);
  }

  parts(): Promise<readonly FileInput[]> {
    this.found ??= this.look();
    return this.found;
  }

  version(): Promise<string> {
    return this.raw.version();
  }

  assertUnchanged(): Promise<void> {
    return this.guard.assertUnchanged();
  }

  async close(): Promise<void> {
    await this.found?.catch(() => undefined);
    await this.spool.close();
    this.archive?.close();
    await this.guard.close?.();
  }

  private async look(): Promise<readonly FileInput[]> {
    const packing = packingOf(await this.raw.head(), this.path);
    if (packing === 'zip') return await this.members();
    return [packing === 'none' ? this.plain() : this.compressed(packing)];
  }

  private plain(): FileInput {
    const { path, bytes, localPath } = this.raw;
    return new Part(
      path,
      bytes,
      () => this.raw.chunks(),
      () => Promise.resolve(localPath),
    );
  }

  private compressed(compression: Compression): FileInput {
    const meter = this.budget.meter();
    return this.spoolable(this.path, this.bytes, () => meter(expanded(this.raw.chunks(), compression, this.path)));
  }

  private async members(): Promise<readonly FileInput[]> {
    const archive = (this.archive = await ZipArchive.open(this.raw));
    return archive.members.map((member) => this.member(archive, member));
  }

  private member(archive: ZipArchive, member: ZipMember): FileInput {
    const path = `${this.path}!/${member.name}`;
    const meter = this.budget.meter(member.entry.uncompressedSize);
    return this.spoolable(path, member.entry.compressedSize, () => meter(unwrapped(archive.chunks(member), path)));
  }

  private spoolable(path: string, bytes: number, chunks: () => Chunks): FileInput {
    return new Part(path, bytes, chunks, (all) => this.spool.write(all));
  }
}

/** A member's bytes without the compression they may have of their own. */
async function* unwrapped(member: AsyncGenerator<Buffer>, path: string): AsyncGenerator<Buffer> {
  const chunks = await withHead(member, MAGIC_BYTES);
  const packing = packingOf(chunks.head, path);
  if (packing === 'zip') {
    await member.return(undefined);
    throw new BadFile('malformed', `${path} is an archive within the archive. Unpack the outer one.`);
  }
  if (packing === 'none') yield* chunks.all;
  else yield* expanded(chunks.all, packing, path);
}
