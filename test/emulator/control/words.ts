/** Words of commands and scenarios: each is checked, and named when it is wrong. */
import { Fault } from "../../../src/base/errors.ts";

function wrong(word: string, expected: string): Fault {
  return new Fault(
    "config.value",
    `${word === "" ? "a word is missing" : `"${word}"`}: expected ${expected}`,
  );
}

/** @throws Fault `config.value` */
export function number(word: string, least: number, most: number): number {
  const value = Number(word);
  if (word === "" || !Number.isFinite(value) || value < least || value > most) {
    throw wrong(word, `a number from ${least} to ${most}`);
  }
  return value;
}

/** @throws Fault `config.value` */
export function whole(word: string, least: number, most: number): number {
  const value = number(word, least, most);
  if (!Number.isInteger(value)) throw wrong(word, `a whole number from ${least} to ${most}`);
  return value;
}

/** @throws Fault `config.value` */
export function oneOf<T extends string>(word: string, words: readonly T[]): T {
  const found = words.find((one) => one === word);
  if (found === undefined) throw wrong(word, `one of ${words.join(", ")}`);
  return found;
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time such as `90s`, `5m`, `1.5h`, `250ms`. @returns ms @throws Fault `config.value` */
export function duration(word: string): number {
  const [, digits, unit = ""] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(word) ?? [];
  const factor = units[unit];
  if (digits === undefined || factor === undefined) throw wrong(word, "a time such as 90s, 5m, 2h");
  return Number(digits) * factor;
}
