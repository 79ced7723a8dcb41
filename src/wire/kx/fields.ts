/**
 * Kinds of fields: each says once how its values are written, read and checked, so that both directions
 * cannot differ. Whatever is read is written again as the same bytes.
 */
import { isLonger } from "../../base/text-length.ts";
import type { Reader, Writer } from "./bytes.ts";

export interface Field<T> {
  /** @throws Fault `kx.message` */
  read(from: Reader): T;
  /** @throws Fault `kx.message` if the value is out of its range, or the frame is full */
  write(to: Writer, value: T): void;
}

/** Whole numbers from `least` to `most`, in as many bytes as the name says. */
function whole(kind: "u16" | "u32" | "u64", least: number, most: number): Field<number> {
  const check = (place: Reader | Writer, value: number) => {
    if (!Number.isSafeInteger(value) || value > most) throw place.wrong("is too large", most);
    if (value < least) throw place.wrong("is too small", least);
    return value;
  };
  return {
    read: (from) => check(from, from[kind]()),
    write: (to, value) => to[kind](check(to, value)),
  };
}

export const u16 = (least: number, most: number) => whole("u16", least, most);
export const u32 = (least: number, most: number) => whole("u32", least, most);
export const u64 = (least: number, most: number) => whole("u64", least, most);

/** Bytes of one length. */
export function fixed(length: number): Field<Buffer> {
  return {
    read: (from) => from.bytes(length),
    write(to, value) {
      if (value.length !== length) throw to.wrong("has another length", length);
      to.bytes(value);
    },
  };
}

/** u16 length, then so many bytes. */
export function blob(most: number): Field<Buffer> {
  return packed(1, 0, most);
}

/** u16 count, then so many times `length` bytes, in one buffer. */
export function packed(length: number, least: number, most: number): Field<Buffer> {
  const count = u16(least, most);
  return {
    read: (from) => from.bytes(count.read(from) * length),
    write(to, value) {
      if (value.length % length !== 0) throw to.wrong("is not a whole number of items", length);
      count.write(to, value.length / length);
      to.bytes(value);
    },
  };
}

/** u16 bytes, then UTF-8. */
export function text(least: number, mostBytes: number): Field<string> {
  const length = u16(least, mostBytes);
  return {
    read: (from) => from.text(length.read(from)),
    write(to, value) {
      // A lone surrogate would come out as another character.
      if (!value.isWellFormed()) throw to.wrong("is no Unicode text");
      const bytes = Buffer.from(value);
      length.write(to, bytes.length);
      to.bytes(bytes);
    },
  };
}

/** A text for people and logs: no control characters, and so many characters at most. */
export function name(most: number, mostBytes: number): Field<string> {
  const plain = text(1, mostBytes);
  const check = (place: Reader | Writer, value: string) => {
    // A character is a code point: as other languages count.
    if (isLonger(value, most)) throw place.wrong("is too long", most);
    if (/\p{Cc}/u.test(value)) throw place.wrong("has a control character");
    return value;
  };
  return {
    read: (from) => check(from, plain.read(from)),
    write: (to, value) => plain.write(to, check(to, value)),
  };
}

/** One byte: the place of the word in the list, from 1. */
export function word<T extends string>(words: readonly T[]): Field<T> {
  return {
    read(from) {
      const found = words[from.u8() - 1];
      if (found === undefined) throw from.wrong("is not a known code", words.length);
      return found;
    },
    write(to, value) {
      const at = words.indexOf(value);
      if (at < 0) throw to.wrong("is not a known word", words.length);
      to.u8(at + 1);
    },
  };
}

/** The same, or 0 for none. */
export function maybeWord<T extends string>(words: readonly T[]): Field<T | undefined> {
  return {
    read(from) {
      const code = from.u8();
      if (code > words.length) throw from.wrong("is not a known code", words.length);
      return words[code - 1];
    },
    write(to, value) {
      const at = value === undefined ? -1 : words.indexOf(value);
      if (value !== undefined && at < 0) throw to.wrong("is not a known word", words.length);
      to.u8(at + 1);
    },
  };
}

/** One byte, 0 or 1. */
export const flag: Field<boolean> = {
  read(from) {
    const value = from.u8();
    if (value > 1) throw from.wrong("is neither 0 nor 1", 1);
    return value === 1;
  },
  write: (to, value) => to.u8(value ? 1 : 0),
};

/** One byte, 0 or 1: whether the field follows. */
export function maybe<T>(field: Field<T>): Field<T | undefined> {
  return {
    read: (from) => (flag.read(from) ? field.read(from) : undefined),
    write(to, value) {
      flag.write(to, value !== undefined);
      if (value !== undefined) field.write(to, value);
    },
  };
}

/** u16 count, then the items. */
export function list<T>(item: Field<T>, least: number, most: number): Field<readonly T[]> {
  const count = u16(least, most);
  return {
    // Grows as items come: a count alone allocates nothing.
    read(from) {
      const items: T[] = [];
      for (let left = count.read(from); left > 0; left--) items.push(item.read(from));
      return items;
    },
    write(to, value) {
      count.write(to, value.length);
      for (const one of value) item.write(to, one);
    },
  };
}

/** Two of a kind. */
export function pair<T>(item: Field<T>): Field<readonly [T, T]> {
  return {
    read: (from) => [item.read(from), item.read(from)],
    write(to, [first, second]) {
      item.write(to, first);
      item.write(to, second);
    },
  };
}

/** Fields of an object in the order in which they are on the wire. */
export type Fields<T> = {
  readonly [K in keyof T]-?: Field<T extends Record<K, T[K]> ? T[K] : T[K] | undefined>;
};

/**
 * An object. What may be missing in it is left out when it is undefined.
 * @param problem name of a field that contradicts another one
 */
export function struct<T extends object>(
  fields: Fields<T>,
  problem: (value: T) => string | undefined = () => undefined,
): Field<T> {
  const entries = Object.entries(fields) as [keyof T & string, Field<unknown>][];
  const check = (place: Reader | Writer, value: T) => {
    const field = problem(value);
    if (field === undefined) return value;
    place.field = field;
    throw place.wrong("contradicts another field");
  };
  return {
    read(from) {
      const value: Record<string, unknown> = {};
      for (const [key, field] of entries) {
        from.field = key;
        const part = field.read(from);
        if (part !== undefined) value[key] = part;
      }
      return check(from, value as T);
    },
    write(to, value) {
      check(to, value);
      for (const [key, field] of entries) {
        to.field = key;
        field.write(to, value[key]);
      }
    },
  };
}
