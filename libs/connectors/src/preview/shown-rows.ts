import { some } from './listing';
import type { PreviewColumn } from './preview';

const SHOWN_ROWS = 20;
/** Rows looked at to find columns that are always empty. */
const SEEN_ROWS = 1_000;
const SHOWN_CHARACTERS = 1_000;
/** Of all rows together; the row that goes beyond is the last one. */
const ANSWER_CHARACTERS = 1024 * 1024;

/** Collects rows for a person to look at. */
export class ShownRows {
  readonly rows: Record<string, string | null>[] = [];
  private readonly empty: Set<string>;
  private seen = 0;
  private characters = 0;
  private shortened = false;

  constructor(private readonly columns: readonly PreviewColumn[]) {
    this.empty = new Set(columns.map(({ name }) => name));
  }

  /** False: it has seen enough. */
  take(row: (string | null)[], names: readonly string[]): boolean {
    this.seen += 1;
    names.forEach((name, index) => {
      if ((row[index] ?? null) !== null) this.empty.delete(name);
    });
    if (this.rows.length < SHOWN_ROWS && this.characters < ANSWER_CHARACTERS) this.rows.push(this.shown(row, names));
    return this.seen < SEEN_ROWS;
  }

  warnings(): string[] {
    const empty = this.columns.filter(({ name }) => this.empty.has(name)).map(({ source }) => JSON.stringify(source));
    return [
      ...(this.seen > 0 && empty.length > 0
        ? [`Without any value in the first ${this.seen} rows of one file: ${some(empty)}.`]
        : []),
      ...(this.shortened ? [`Values of more than ${SHOWN_CHARACTERS} characters are shown cut.`] : []),
    ];
  }

  private shown(row: (string | null)[], names: readonly string[]): Record<string, string | null> {
    const values = new Map(names.map((name, index) => [name, row[index] ?? null]));
    return Object.fromEntries(this.columns.map(({ name }) => [name, this.value(values.get(name) ?? null)]));
  }

  private value(text: string | null): string | null {
    if (text === null) return null;
    const value = shortened(text);
    this.shortened ||= value !== text;
    this.characters += value.length;
    return value;
  }
}

/** Cut with a sign that it was; never within a character. */
export function shortened(text: string): string {
  if (text.length <= SHOWN_CHARACTERS) return text;
  return `${text.slice(0, SHOWN_CHARACTERS).replace(/[\ud800-\udbff]$/, '')}…`;
}
