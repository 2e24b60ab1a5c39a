import type { TextEncoder } from '../../copy/text-values';
import { BadFile } from '../../errors';
import { JsonScanner } from './json-scanner';

/** Beyond it the server decides; its own limit is a matter of its stack. */
const MAX_DEPTH = 10_000;
const scanner = new JsonScanner('', MAX_DEPTH);

/** For values of other formats that go into a column of JSON: a text that is none does not fit, as in any other column. */
export function validJson(encode: TextEncoder): TextEncoder {
  return (out, text, start, end) => isJson(text.subarray(start, end)) && encode(out, text, start, end);
}

/** One value of JSON that jsonb can hold, with blanks around it. */
function isJson(text: Uint8Array): boolean {
  scanner.last = true;
  scanner.fault = null;
  try {
    const end = scanner.skipNested(text, scanner.skipBlanks(text, 0));
    return end > 0 && isStorable(scanner) && scanner.skipBlanks(text, end) === text.length;
  } catch (error) {
    if (error instanceof BadFile) return false;
    throw error;
  }
}

function isStorable({ fault }: JsonScanner): boolean {
  return fault === null;
}
