import type { AvroTap } from './avro-tap';
import { type AnyForm, type Flaw, type Form, textFlaw } from './avro-form';

/** A value that became JSON while it was read. */
export interface NestedValue {
  json: string;
  flaw: Flaw | null;
}

function nestedForm(build: (tap: AvroTap, into: JsonText) => void): Form<NestedValue> {
  return {
    type: 'jsonb',
    read: (tap) =>
      tap.nested(() => {
        const into = new JsonText(tap);
        build(tap, into);
        return into.value;
      }),
    text: ({ json }) => json,
    json: ({ json }) => json,
    flaw: ({ flaw }) => flaw,
    puts: {},
  };
}

export function arrayForm(item: AnyForm): Form<NestedValue> {
  return nestedForm((tap, into) => {
    into.open('[');
    tap.items(() => into.item('', item));
    into.close(']');
  });
}

const KEY_TWICE: Flaw = { problem: 'has a key twice, of which JSON would keep one', keepable: false };

export function mapForm(value: AnyForm): Form<NestedValue> {
  return nestedForm((tap, into) => {
    const keys = new Set<string>();
    into.open('{');
    tap.items(() => {
      const bytes = tap.sized();
      const key = bytes.toString();
      into.note(keys.has(key) ? KEY_TWICE : textFlaw(bytes));
      keys.add(key);
      into.item(`${JSON.stringify(key)}:`, value);
    });
    into.close('}');
  });
}

/** `fields` may be filled later: a record can hold itself. */
export function recordForm(fields: readonly { name: string; form: AnyForm }[]): Form<NestedValue> {
  return nestedForm((_tap, into) => {
    into.open('{');
    for (const { name, form } of fields) into.item(`${JSON.stringify(name)}:`, form);
    into.close('}');
  });
}

/** Branches of several types: each value as JSON by itself. */
export function unionForm(branches: readonly AnyForm[]): Form<NestedValue> {
  const form = nestedForm((tap, into) => into.item('', branches[tap.index(branches.length)] as AnyForm));
  return { ...form, read: (tap) => nullIfNull(form.read(tap)) };
}

function nullIfNull(value: NestedValue | null): NestedValue | null {
  return value?.json === 'null' ? null : value;
}

/** One type that counts, and perhaps `null`. */
export function nullable(form: AnyForm, branches: readonly AnyForm[]): AnyForm {
  return { ...form, read: (tap) => branches[tap.index(branches.length)]?.read(tap) as unknown };
}

/** The text of a value as it grows. */
class JsonText {
  private text = '';
  private flaw: Flaw | null = null;
  private separator = '';

  constructor(private readonly tap: AvroTap) {}

  get value(): NestedValue {
    return { json: this.text, flaw: this.flaw };
  }

  open(bracket: string): void {
    this.text += bracket;
  }

  close(bracket: string): void {
    this.text += bracket;
  }

  /** Reads one more value and puts it behind the others. */
  item(key: string, form: AnyForm): void {
    const value: unknown = form.read(this.tap);
    if (value !== null) this.note(form.flaw(value));
    this.text += `${this.separator}${key}${value === null ? 'null' : form.json(value)}`;
    this.separator = ',';
    this.tap.assertShort(this.text);
  }

  /** The worst flaw counts. */
  note(flaw: Flaw | null): void {
    if (flaw !== null && this.flaw?.keepable !== false) this.flaw = flaw;
  }
}
