import { BadFile } from '../../errors';
import type { CsvDialect } from '../format-reader';

/** The characters that make up CSV, as bytes; -1 where there is none. */
export interface CsvSigns {
  delimiter: number;
  quote: number;
  escape: number;
}

/** Raises `BadFile` for characters that cannot be used. */
export function signsOf({ delimiter, quote, escape }: Pick<CsvDialect, 'delimiter' | 'quote' | 'escape'>): CsvSigns {
  const quoteByte = quote === '' ? -1 : byteOf(quote);
  const signs = {
    delimiter: byteOf(delimiter),
    quote: quoteByte,
    escape: escape === '' ? quoteByte : byteOf(escape),
  };
  if (signs.delimiter === signs.quote)
    throw new BadFile(
      'malformed',
      `${JSON.stringify(delimiter)} cannot be delimiter and quote at once. Choose two characters in format.options.`,
    );
  return signs;
}

/** The reader works on bytes: these characters must be single ones of UTF-8. */
function byteOf(character: string): number {
  const code = character.charCodeAt(0);
  if (character.length === 1 && code < 0x80 && code !== 10 && code !== 13) return code;
  throw new BadFile(
    'malformed',
    `${JSON.stringify(character)} cannot be a delimiter, quote or escape. Choose an ASCII character in format.options.`,
  );
}

/** The words that stand for NULL. */
export class NullWords {
  private readonly words: readonly Buffer[];

  constructor(words: readonly string[]) {
    this.words = words.map((word) => Buffer.from(word));
  }

  has(text: Uint8Array, start: number, end: number): boolean {
    for (const word of this.words) if (word.length === end - start && equals(word, text, start)) return true;
    return false;
  }
}

function equals(word: Uint8Array, text: Uint8Array, start: number): boolean {
  for (let i = 0; i < word.length; i++) if (word[i] !== text[start + i]) return false;
  return true;
}
