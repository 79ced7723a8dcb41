/** Where the members of a Key supply message (Kq-1 §8.1.1, Table 1) stand in its JSON, looked for as bytes. */
import { JsonScan, kind, unescapeAscii } from "./json-scan.ts";
import { extension, parameter } from "./names.ts";

/** Members of Table 1, and of a Response to key request (Table 4): places in {@link Members}. */
export const member = {
  moduleId: 0,
  matchingModuleId: 1,
  keyId: 2,
  keyLength: 3,
  generatedAt: 4,
  hash: 5,
  extension: 6,
  key: 7,
  keys: 8,
  response: 9,
  keyExtension: 10,
} as const;

const names: readonly string[] = Object.keys(member).map(
  (name) => parameter[name as keyof typeof member],
);
const texts = names.map((name) => Buffer.from(name));
const longestName = Math.max(...names.map((name) => name.length));
/** A name in which each character is an escape of six is no longer. */
const longestEscaped = 6 * longestName;

/** Which member has this name; -1 for one that is not of Table 1. */
function memberOf(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i] as Buffer;
    if (text.length !== length) continue;
    let k = 0;
    while (k < length && bytes[from + k] === text[k]) k++;
    if (k === length) return i;
  }
  return -1;
}

const unescaped = Buffer.alloc(longestName);

/** The same of a name as a scan found it, which may have escapes in it. */
function named(scan: JsonScan): number {
  const { bytes, from, to } = scan;
  if (scan.kind !== kind.escaped) return memberOf(bytes, from, to);
  if (to - from > longestEscaped) return -1;
  const length = unescapeAscii(bytes, from, to, unescaped, 0, longestName);
  return length < 0 ? -1 : memberOf(unescaped, 0, length);
}

/** What a text is: not JSON or no object; an object in which a member is there twice; or neither. */
export type Found = "broken" | "twice" | "good";

/** Kinds and places of the members of one object. What was `null` counts as not given. */
export class Members {
  readonly kinds = new Uint8Array(names.length);
  readonly from = new Int32Array(names.length);
  readonly to = new Int32Array(names.length);
  readonly #scan = new JsonScan();

  /** Looks for them in `[start, end)`. Members of other names are passed over. */
  find(bytes: Buffer, start: number, end: number): Found {
    const scan = this.#scan;
    this.kinds.fill(kind.none);
    scan.begin(bytes, start, end);
    if (!scan.take(0x7b)) return "broken";
    let twice = false;
    if (!scan.take(0x7d)) {
      for (;;) {
        if (!scan.name()) return "broken";
        const which = named(scan);
        const isThere = which === member.key ? scan.opaqueValue() : scan.value();
        if (!isThere) return "broken";
        if (which >= 0) {
          twice ||= this.kinds[which] !== kind.none;
          this.kinds[which] = scan.kind;
          this.from[which] = scan.from;
          this.to[which] = scan.to;
        }
        const more = scan.more(0x7d);
        if (more === undefined) return "broken";
        if (!more) break;
      }
    }
    if (!scan.finish(start)) return "broken";
    return twice ? "twice" : "good";
  }

  has(which: number): boolean {
    const what = this.kinds[which] as number;
    return what !== kind.none && what !== kind.null;
  }
}

/** Where the elements of an array are, which is well-formed JSON. */
export function* elementsOf(bytes: Buffer, from: number, to: number) {
  const elements = new JsonScan();
  elements.begin(bytes, from, to);
  elements.take(0x5b);
  if (elements.take(0x5d)) return;
  do {
    elements.value();
    yield { from: elements.from, to: elements.to };
  } while (elements.more(0x5d) === true);
}

const qberName = Buffer.from(extension.qber);
/** Characters of a number that is looked at: a double has 17 digits that mean something. */
const longestNumber = 64;

/** A number as {@link JsonScan} found it; undefined if it has more digits than a number needs. */
export function readNumber(bytes: Buffer, from: number, to: number): number | undefined {
  return to - from > longestNumber ? undefined : Number(bytes.toString("latin1", from, to));
}

const scan = new JsonScan();

/** What is wrong with an `extension`, and the QBER that it tells. */
export interface Extension {
  readonly wrong: string | undefined;
  readonly qber: number | undefined;
}

const fine: Extension = { wrong: undefined, qber: undefined };
const noObjects: Extension = { wrong: "extension is not an array of objects", qber: undefined };
const twoQbers: Extension = { wrong: "extension has qber twice", qber: undefined };

/**
 * Looks through an array of objects, or through one object, that is well-formed JSON. A `qber` that is no ratio
 * is of another's making, and passed over as all else that is not known here.
 */
export function readExtension(bytes: Buffer, from: number, to: number): Extension {
  scan.begin(bytes, from, to);
  const qber: number[] = [];
  let isGood = true;
  if (!scan.take(0x5b)) isGood = readQbers(bytes, qber);
  else if (!scan.take(0x5d)) {
    do isGood = readQbers(bytes, qber);
    while (isGood && scan.more(0x5d) === true);
  }
  if (!isGood) return noObjects;
  if (qber.length > 1) return twoQbers;
  const [value = -1] = qber;
  return value >= 0 && value <= 1 ? { wrong: undefined, qber: value } : fine;
}

/** @param qbers gets the QBERs of the object that comes next @returns whether it is an object */
function readQbers(bytes: Buffer, qbers: number[]): boolean {
  if (!scan.take(0x7b)) return false;
  if (scan.take(0x7d)) return true;
  do {
    scan.name();
    const isQber = scan.kind === kind.text && isName(bytes, scan.from, scan.to, qberName);
    scan.value();
    if (!isQber) continue;
    const value = scan.kind === kind.number ? readNumber(bytes, scan.from, scan.to) : undefined;
    qbers.push(value ?? -1);
  } while (scan.more(0x7d) === true);
  return true;
}

function isName(bytes: Buffer, from: number, to: number, name: Buffer): boolean {
  if (to - from !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name[i]) return false;
  return true;
}
