/** Members of a JSON object of a peer, each checked when it is asked for. Nothing of it is ever quoted. */
import { parseDate } from "../../base/date.ts";
import type { Fault } from "../../base/errors.ts";
import { isLonger } from "../../base/text-length.ts";

export type BadMember = (what: string, field: string, limit?: number) => Fault;

const utc = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

export class Members {
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #bad: BadMember;

  constructor(members: Readonly<Record<string, unknown>>, bad: BadMember) {
    this.#members = members;
    this.#bad = bad;
  }

  /** Between `least` and `most` characters, none of them a control character. */
  text(field: string, least: number, most: number): string {
    const value = this.#value(field);
    if (typeof value !== "string") throw this.#bad("has a member that is no text", field);
    if (isLonger(value, most)) throw this.#bad("has a text that is too long", field, most);
    if (value.length < least) throw this.#bad("has a text that is too short", field, least);
    if (/\p{Cc}/u.test(value) || !value.isWellFormed()) {
      throw this.#bad("has a text with control characters", field);
    }
    return value;
  }

  maybeText(field: string, most: number): string | undefined {
    return this.#value(field) === undefined ? undefined : this.text(field, 0, most);
  }

  word<T extends string>(field: string, words: readonly T[]): T {
    const value = this.#value(field);
    const found = words.find((word) => word === value);
    if (found === undefined) throw this.#bad("has a word that is not known", field);
    return found;
  }

  maybeWord<T extends string>(field: string, words: readonly T[]): T | undefined {
    return this.#value(field) === undefined ? undefined : this.word(field, words);
  }

  maybeFlag(field: string): boolean | undefined {
    return this.#value(field) === undefined ? undefined : this.flag(field);
  }

  flag(field: string): boolean {
    const value = this.#value(field);
    if (typeof value !== "boolean") throw this.#bad("has a member that is no boolean", field);
    return value;
  }

  /** From 0 on. */
  whole(field: string): number {
    const value = this.#value(field);
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw this.#bad("has a member that is no whole number", field);
    }
    return value as number;
  }

  maybeWhole(field: string): number | undefined {
    return this.#value(field) === undefined ? undefined : this.whole(field);
  }

  /** Each between `least` and `most` characters, none of them a control character. */
  texts(field: string, least: number, most: number, count: number): readonly string[] {
    return this.#list(this.#value(field), field, count).map((one) => {
      return new Members({ [field]: one }, this.#bad).text(field, least, most);
    });
  }

  maybeNumber(
    field: string,
    least = -Number.MAX_VALUE,
    most = Number.MAX_VALUE,
  ): number | undefined {
    const value = this.#value(field);
    return value === undefined ? undefined : this.#number(value, field, least, most);
  }

  maybeNumbers(
    field: string,
    least: number,
    most: number,
    count: number,
  ): readonly number[] | undefined {
    const value = this.#value(field);
    if (value === undefined) return undefined;
    return this.#list(value, field, count).map((one) => this.#number(one, field, least, most));
  }

  /** @returns ms since 1970 UTC */
  time(field: string): number {
    const ms = timeOf(this.#value(field));
    if (Number.isNaN(ms)) throw this.#bad("has a time that is not RFC 3339 in UTC", field);
    return ms;
  }

  object(field: string): Members {
    return this.#object(this.#value(field), field);
  }

  objects(field: string, most: number): readonly Members[] {
    const list = this.#list(this.#value(field), field, most);
    return list.map((one) => this.#object(one, field));
  }

  /** Only what the object has itself. */
  #value(field: string): unknown {
    return Object.hasOwn(this.#members, field) ? this.#members[field] : undefined;
  }

  #number(value: unknown, field: string, least: number, most: number): number {
    if (typeof value !== "number") throw this.#bad("has a member that is no number", field);
    if (!(value <= most)) throw this.#bad("has a number that is too large", field, most);
    if (value < least) throw this.#bad("has a number that is too small", field, least);
    return value;
  }

  #list(value: unknown, field: string, most: number): readonly unknown[] {
    if (!Array.isArray(value)) throw this.#bad("has a member that is no array", field);
    if (value.length > most) throw this.#bad("has an array that is too long", field, most);
    return value;
  }

  #object(value: unknown, field: string): Members {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#bad("has a member that is no object", field);
    }
    return new Members(value as Readonly<Record<string, unknown>>, this.#bad);
  }
}

/** @param text RFC 3339, UTC @returns ms since 1970 UTC; NaN if it is none */
export function timeOf(text: unknown): number {
  return typeof text === "string" && utc.test(text) ? parseDate(text) : Number.NaN;
}

/** RFC 3339, UTC, ms. @param ms since 1970 UTC */
export function stamp(ms: number): string {
  // A time that no date has is refused when it is read.
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : "";
}
