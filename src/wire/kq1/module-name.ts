/** Names of modules in messages: of one connection they are the same in most. */
import { kind } from "./json-scan.ts";
import { moduleIdLength } from "./names.ts";
import type { Members } from "./supply-members.ts";

/** Of a character there are six bytes at most, as an escape; or two such. */
const longestName = moduleIdLength.most * 12;

export class ModuleName {
  readonly #which: number;
  /** The last name as it stood in its message, and what it is. */
  #raw = Buffer.alloc(0);
  #name: string | undefined;

  /** @param which of the members has it */
  constructor(which: number) {
    this.#which = which;
  }

  /** @returns undefined if it is no text, or one of a wrong length */
  in(bytes: Buffer, { kinds, from, to }: Members): string | undefined {
    const what = kinds[this.#which];
    if (what !== kind.text && what !== kind.escaped) return undefined;
    const [start, end] = [from[this.#which] as number, to[this.#which] as number];
    if (end - start > longestName) return undefined;
    if (!this.#isLast(bytes, start, end)) {
      this.#name = read(bytes, start, end, what === kind.escaped);
      this.#raw = Buffer.from(bytes.subarray(start, end));
    }
    return this.#name;
  }

  #isLast(bytes: Buffer, start: number, end: number): boolean {
    const raw = this.#raw;
    if (end - start !== raw.length) return false;
    for (let i = 0; i < raw.length; i++) if (bytes[start + i] !== raw[i]) return false;
    return true;
  }
}

function read(bytes: Buffer, from: number, to: number, isEscaped: boolean): string | undefined {
  const text = bytes.toString("utf8", from, to);
  const name = isEscaped ? (JSON.parse(`"${text}"`) as string) : text;
  const { least, most } = moduleIdLength;
  // Of a character there are one or two of what JavaScript counts.
  const length = name.length <= most ? name.length : [...name].length;
  return length < least || length > most ? undefined : name;
}
