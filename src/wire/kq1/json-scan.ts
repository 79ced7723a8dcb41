/**
 * JSON (RFC 8259) read as bytes, without making anything of them: a key in it must never become a string.
 * Each step looks at each byte once, and nesting is bounded: the time that a text takes is bounded by its length.
 */
import { isUtf8 } from "node:buffer";

/** What a value is, by how it begins. `escaped` is a string with a backslash in it. */
export const kind = {
  none: 0,
  text: 1,
  escaped: 2,
  number: 3,
  object: 4,
  array: 5,
  word: 6,
  null: 7,
} as const;

/** Arrays and objects within each other; messages of Kq-1 have three. */
const mostDepth = 32;

/** So many bytes are quicker searched than looked at. */
const long = 512;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;

/** Bytes that a string may have as they are, but for those of UTF-8 beyond ASCII. */
const plain = new Uint8Array(256);
for (let i = 0x20; i < 0x80; i++) if (i !== quote && i !== backslash) plain[i] = 1;

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/** A place in a text. Methods answer whether what they read was well formed; if not, the text is no JSON. */
export class JsonScan {
  bytes: Buffer = Buffer.alloc(0);
  /** The next byte that is read. */
  at = 0;
  end = 0;
  /** Of the last value: what it is, and where. Of a string: without its quotes. */
  kind: number = kind.none;
  from = 0;
  to = 0;
  #depth = 0;
  #beyondAscii = false;

  begin(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.#depth = 0;
    this.#beyondAscii = false;
  }

  /** Passes over white space. @returns the byte that comes next; -1 at the end */
  next(): number {
    const { bytes, end } = this;
    let { at } = this;
    while (at < end) {
      const byte = bytes[at] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        this.at = at;
        return byte;
      }
      at++;
    }
    this.at = at;
    return -1;
  }

  /** Takes this byte, if it comes next. */
  take(byte: number): boolean {
    if (this.next() !== byte) return false;
    this.at++;
    return true;
  }

  /** Whether all of the text was read, and its strings are UTF-8. */
  finish(start: number): boolean {
    if (this.next() !== -1) return false;
    return !this.#beyondAscii || isUtf8(this.bytes.subarray(start, this.end));
  }

  /** A member's name, which {@link from} and {@link to} tell, and its colon. */
  name(): boolean {
    return this.next() === quote && this.#string() && this.take(colon);
  }

  /** What stands between two members or elements. @param close ends them @returns undefined if neither */
  more(close: number): boolean | undefined {
    const byte = this.next();
    if (byte !== comma && byte !== close) return undefined;
    this.at++;
    return byte === comma;
  }

  /** A value of any kind, with all that is in it. */
  value(): boolean {
    const byte = this.next();
    const from = this.at;
    switch (byte) {
      case quote:
        return this.#string();
      case 0x7b:
        return this.#nested(from, kind.object, 0x7d);
      case 0x5b:
        return this.#nested(from, kind.array, 0x5d);
      case 0x74:
        return this.#word("true", kind.word);
      case 0x66:
        return this.#word("false", kind.word);
      case 0x6e:
        return this.#word("null", kind.null);
      default:
        return this.#number();
    }
  }

  /**
   * The same where it is a long string of which each byte is looked at afterwards: only its end is looked for. Of an
   * escape in it nothing is told: see {@link isEscaped}.
   */
  opaqueValue(): boolean {
    if (this.next() !== quote || this.end - this.at < long) return this.value();
    const { bytes, at } = this;
    const close = bytes.indexOf(quote, at + 1);
    if (close < 0 || close >= this.end || bytes[close - 1] === backslash) return this.#string();
    this.#found(kind.text, at + 1, close);
    this.at = close + 1;
    return true;
  }

  #string(): boolean {
    const { bytes, end } = this;
    let at = this.at + 1;
    const from = at;
    let found: number = kind.text;
    for (;;) {
      while (at < end && plain[bytes[at] as number] === 1) at++;
      if (at >= end) return false;
      const byte = bytes[at] as number;
      if (byte === quote) break;
      if (byte >= 0x80) {
        this.#beyondAscii = true;
        at++;
      } else if (byte === backslash) {
        const length = escapeLength(bytes, at, end);
        if (length === 0) return false;
        found = kind.escaped;
        at += length;
      } else return false;
    }
    this.kind = found;
    this.from = from;
    this.to = at;
    this.at = at + 1;
    return true;
  }

  #number(): boolean {
    const { bytes, end } = this;
    const from = this.at;
    let { at } = this;
    const digits = () => {
      const first = at;
      while (at < end && isDigit(bytes[at])) at++;
      return at > first;
    };
    if (bytes[at] === 0x2d) at++;
    const leading = at;
    if (at >= end || !digits()) return false;
    if (bytes[leading] === 0x30 && at > leading + 1) return false;
    if (at < end && bytes[at] === 0x2e) {
      at++;
      if (!digits()) return false;
    }
    if (at < end && ((bytes[at] as number) | 0x20) === 0x65) {
      at++;
      if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
      if (!digits()) return false;
    }
    return this.#found(kind.number, from, at);
  }

  #word(word: string, what: number): boolean {
    const from = this.at;
    const to = from + word.length;
    if (to > this.end) return false;
    for (let i = 0; i < word.length; i++) {
      if (this.bytes[from + i] !== word.charCodeAt(i)) return false;
    }
    return this.#found(what, from, to);
  }

  #nested(from: number, what: number, close: number): boolean {
    if (++this.#depth > mostDepth) return false;
    this.at++;
    if (!this.take(close)) {
      for (;;) {
        if (what === kind.object && !this.name()) return false;
        if (!this.value()) return false;
        const more = this.more(close);
        if (more === undefined) return false;
        if (!more) break;
      }
    }
    this.#depth--;
    return this.#found(what, from, this.at);
  }

  #found(what: number, from: number, to: number): boolean {
    this.kind = what;
    this.from = from;
    this.to = to;
    this.at = to;
    return true;
  }
}

/** @returns bytes of the escape that begins at `at`; 0 if it is none (RFC 8259 §7) */
function escapeLength(bytes: Buffer, at: number, end: number): number {
  if (at + 1 >= end) return 0;
  const letter = bytes[at + 1] as number;
  if (letter !== 0x75) return '"\\/bfnrt'.includes(String.fromCharCode(letter)) ? 2 : 0;
  if (at + 6 > end) return 0;
  for (let i = at + 2; i < at + 6; i++) if (hexDigit(bytes[i] as number) < 0) return 0;
  return 6;
}

const hexValues = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  const digit = i.toString(16);
  hexValues[digit.charCodeAt(0)] = i;
  hexValues[digit.toUpperCase().charCodeAt(0)] = i;
}

/** Value of a hexadecimal digit; -1 for what is none. */
export function hexDigit(byte: number): number {
  return hexValues[byte] as number;
}

/** What the second letter of an escape stands for. */
const escapes: Readonly<Record<number, number>> = {
  34: 0x22,
  92: 0x5c,
  47: 0x2f,
  98: 0x08,
  102: 0x0c,
  110: 0x0a,
  114: 0x0d,
  116: 0x09,
};

/**
 * Writes the ASCII characters of a string with escapes into `target`: bytes to bytes.
 * @param to as {@link JsonScan} found it
 * @returns their number; -1 if one is not ASCII, or there are more than `most`
 */
export function unescapeAscii(
  bytes: Buffer,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
  most: number,
): number {
  let length = 0;
  for (let i = from; i < to; length++) {
    let code = bytes[i] as number;
    if (code !== backslash) i++;
    else if (bytes[i + 1] !== 0x75) {
      code = escapes[bytes[i + 1] as number] ?? 0x80;
      i += 2;
    } else {
      code = 0;
      for (let k = i + 2; k < i + 6; k++) code = code * 16 + hexDigit(bytes[k] as number);
      i += 6;
    }
    if (code >= 0x80 || length >= most) return -1;
    target[at + length] = code;
  }
  return length;
}

/** Whether what stands between two quotes has escapes in it, and is as a string must be. */
export function isEscaped(bytes: Buffer, from: number, to: number): boolean {
  const scan = new JsonScan();
  scan.begin(bytes, from - 1, to + 1);
  return scan.value() && scan.kind === kind.escaped && scan.to === to;
}
