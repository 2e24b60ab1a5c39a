import type { Entry } from 'yauzl';
import { BadFile } from '../../errors';

export const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER_BYTES = 30;
const FROM_UNIX = 3;
const TYPE_OF_FILE = 0o170000;
const SYMBOLIC_LINK = 0o120000;

/** A file in a zip archive. */
export interface ZipMember {
  name: string;
  entry: Entry;
}

/** Raises `BadFile` for a member whose bytes nobody here can read, or that are no data. */
export function assertReadable(path: string, name: string, entry: Entry): void {
  const refuse = (what: string): never => {
    throw new BadFile('malformed', `${name} in ${path} ${what}`);
  };
  if (entry.isEncrypted()) refuse('is encrypted. Pack the archive without a password.');
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED)
    refuse(`is packed by method ${entry.compressionMethod}; only 0 (stored) and 8 (deflate) are read. Pack it again.`);
  if (isLink(entry)) refuse('is a symbolic link. Pack the file that it leads to.');
  if (/\.zip$/i.test(name)) refuse('is an archive within the archive. Unpack the outer one.');
}

/**
 * A bomb lets many members share the same bytes. By the archive's directory alone: a local header may be longer than told there, which
 * `crc32` of the members would find.
 */
export function assertApart(path: string, members: readonly ZipMember[]): void {
  const sorted = [...members].sort((a, b) => offset(a) - offset(b));
  let free = 0;
  for (const member of sorted) {
    if (offset(member) < free)
      throw new BadFile('malformed', `${member.name} in ${path} overlaps another file of the archive. Pack it again.`);
    free = offset(member) + LOCAL_HEADER_BYTES + member.entry.fileNameLength + member.entry.compressedSize;
  }
}

function offset({ entry }: ZipMember): number {
  return entry.relativeOffsetOfLocalHeader;
}

function isLink({ versionMadeBy, externalFileAttributes }: Entry): boolean {
  return versionMadeBy >> 8 === FROM_UNIX && ((externalFileAttributes >>> 16) & TYPE_OF_FILE) === SYMBOLIC_LINK;
}
