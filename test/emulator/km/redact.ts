/**
 * Takes the key out of a Key supply message while it is still bytes. JavaScript strings can't be
 * overwritten, so `JSON.parse` may see the message only after the key's base64 is gone from it.
 */
import { Fault } from "../../../src/base/errors.ts";
import { decodeBase64 } from "./base64.ts";
import { names } from "./wire.ts";

const ascii = (character: string) => character.charCodeAt(0);

const quote = ascii('"');
const backslash = ascii("\\");
const slash = ascii("/");
const comma = ascii(",");
const opening = new Set([ascii("{"), ascii("[")]);
const closing = new Set([ascii("}"), ascii("]")]);
/** What RFC 8259 §2 calls white space. */
const blanks = new Set([0x20, 0x09, 0x0a, 0x0d]);

interface Span {
  readonly start: number;
  readonly end: number;
}

const notJson = () =>
  new Fault("kq1.message", "payload is not a JSON object", { clause: "Annex A" });

/**
 * Walks the members of the outermost object. Strict about what holds those together, and only
 * counts brackets inside their values: `JSON.parse` judges the rest afterwards.
 */
class Scanner {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @throws Fault `kq1.message` where the payload is not an object */
  *members(): Generator<{ name: Span; value: Span }, void, void> {
    this.#expect("{");
    if (!this.#accept("}")) {
      do {
        this.#space();
        const name = this.#string();
        this.#expect(":");
        this.#space();
        yield { name, value: this.#value() };
      } while (this.#accept(","));
      this.#expect("}");
    }
    this.#space();
    if (this.#at !== this.#bytes.length) throw notJson();
  }

  /** Elements of the outermost array. @throws Fault `kq1.message` where it is none */
  *elements(): Generator<Span, void, void> {
    this.#expect("[");
    if (!this.#accept("]")) {
      do {
        this.#space();
        yield this.#value();
      } while (this.#accept(","));
      this.#expect("]");
    }
    this.#space();
    if (this.#at !== this.#bytes.length) throw notJson();
  }

  #space(): void {
    while (blanks.has(this.#bytes[this.#at] ?? -1)) this.#at++;
  }

  #accept(mark: string): boolean {
    this.#space();
    if (this.#bytes[this.#at] !== ascii(mark)) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#accept(mark)) throw notJson();
  }

  /** A string with its quotes. */
  #string(): Span {
    const start = this.#at;
    if (this.#bytes[this.#at] !== quote) throw notJson();
    for (this.#at++; this.#at < this.#bytes.length; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte === backslash) this.#at++;
      else if (byte === quote) return { start, end: ++this.#at };
    }
    throw notJson();
  }

  #value(): Span {
    if (this.#bytes[this.#at] === quote) return this.#string();
    const start = this.#at;
    let depth = 0;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw notJson();
      if (depth === 0 && (byte === comma || closing.has(byte))) break;
      if (byte === quote) {
        this.#string();
        continue;
      }
      if (opening.has(byte)) depth++;
      else if (closing.has(byte)) depth--;
      this.#at++;
    }
    if (this.#at === start) throw notJson();
    return { start, end: this.#at };
  }
}

/** Whether a JSON string with its quotes means `word`, also when it is written with escapes. */
function means(bytes: Uint8Array, { start, end }: Span, word: string): boolean {
  // 6 is the longest that one character can be written: \u006b.
  if (end - start - 2 > 6 * word.length) return false;
  try {
    return JSON.parse(String.fromCharCode(...bytes.subarray(start, end))) === word;
  } catch {
    return false;
  }
}

/** JSON allows `\/` for `/`. Closes the gaps in place and returns the new length. */
function unescapeSlashes(text: Uint8Array): number {
  let to = 0;
  for (let from = 0; from < text.length; from++) {
    if (text[from] === backslash && text[from + 1] === slash) from++;
    text[to++] = text[from] as number;
  }
  return to;
}

/** Decodes the value if it is a string of base64; whatever it is, it is the number 0 afterwards. */
function take(bytes: Uint8Array, { start, end }: Span): Uint8Array | undefined {
  let key: Uint8Array | undefined;
  if (bytes[start] === quote) {
    const text = bytes.subarray(start + 1, end - 1);
    key = decodeBase64(text.subarray(0, unescapeSlashes(text)));
  }
  bytes.fill(ascii(" "), start, end);
  bytes[start] = ascii("0");
  return key;
}

/** What is left of a message once the key is out of it. */
export interface Redacted {
  /** The key's bytes, in memory of their own; undefined if there was no right base64. */
  readonly key: Uint8Array | undefined;
  /** How often a member `key` was there; one in a right message. */
  readonly keys: number;
}

/**
 * Decodes the `key` member of a Key supply message and overwrites it in `payload`.
 * @throws Fault `kq1.message` if the payload is not a JSON object; it must not be parsed then
 */
export function takeKey(payload: Uint8Array): Redacted {
  let key: Uint8Array | undefined;
  let keys = 0;
  try {
    for (const { name, value } of new Scanner(payload).members()) {
      if (!means(payload, name, names.key)) continue;
      const taken = take(payload, value);
      keys++;
      if (keys === 1) key = taken;
      else taken?.fill(0);
    }
  } catch (error) {
    key?.fill(0);
    throw error;
  }
  if (keys > 1) key?.fill(0);
  return { key: keys === 1 ? key : undefined, keys };
}

/**
 * Decodes the `key` member of each object in the array `keys` of a Response to key request, and
 * overwrites them in `payload`.
 * @returns one for each element; undefined where there was no right base64
 * @throws Fault `kq1.message` if the payload is not a JSON object; it must not be parsed then
 */
export function takeKeys(payload: Uint8Array): (Uint8Array | undefined)[] {
  const taken: (Uint8Array | undefined)[] = [];
  try {
    for (const { name, value } of new Scanner(payload).members()) {
      if (!means(payload, name, names.keys)) continue;
      const array = payload.subarray(value.start, value.end);
      for (const { start, end } of new Scanner(array).elements()) {
        taken.push(takeKey(array.subarray(start, end)).key);
      }
    }
    return taken;
  } catch (error) {
    for (const key of taken) key?.fill(0);
    throw error;
  }
}
