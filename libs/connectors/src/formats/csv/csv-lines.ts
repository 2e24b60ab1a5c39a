/** A value of a line, without its quotes. */
export interface LineValue {
  text: string;
  quoted: boolean;
}

/**
 * The lines with something in them, as a look at a text takes them for whole: line ends within quotes end none. A quote counts where a value may
 * begin and where it is closed before one may end; else it is a character like any other.
 */
export function splitLines(text: string, quote: string, delimiters: readonly string[]): string[] {
  const lines: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length;) {
    const closed = atValue(text, at, delimiters) ? closingQuote(text, at, quote, delimiters) : -1;
    if (closed !== -1) at = closed + 1;
    else if (isLineEnd(text[at++])) {
      lines.push(text.slice(from, at - 1));
      from = at;
    }
  }
  return [...lines, text.slice(from)].filter((line) => line !== '');
}

/** The values of such a line. */
export function splitValues(line: string, quote: string, delimiter: string): LineValue[] {
  const values: LineValue[] = [];
  for (let at = 0; ;) {
    const closed = closingQuote(line, at, quote, [delimiter]);
    const found = line.indexOf(delimiter, closed + 1 || at);
    const end = found === -1 ? line.length : found;
    const quoted = closed !== -1;
    values.push({
      text: quoted ? line.slice(at + 1, closed).replaceAll(quote + quote, quote) : line.slice(at, end),
      quoted,
    });
    if (found === -1) return values;
    at = end + 1;
  }
}

/** Where the quote that stands at `at` is closed, right before a delimiter, a line end or the end of the text; -1: there is no such quote. */
function closingQuote(text: string, at: number, quote: string, delimiters: readonly string[]): number {
  if (quote === '' || text[at] !== quote) return -1;
  for (let i = text.indexOf(quote, at + 1); i !== -1; i = text.indexOf(quote, i + 1)) {
    const next = text[i + 1];
    if (next === quote) i++;
    else return next === undefined || isLineEnd(next) || delimiters.includes(next) ? i : -1;
  }
  return -1;
}

function atValue(text: string, at: number, delimiters: readonly string[]): boolean {
  const before = text[at - 1];
  return before === undefined || isLineEnd(before) || delimiters.includes(before);
}

function isLineEnd(character: string | undefined): boolean {
  return character === '\n' || character === '\r';
}
