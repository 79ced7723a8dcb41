/** Texts for terminals without the letters of Unicode. Pure. */
import { columnsOf, lettersOf } from "./columns.ts";

/** Signs that the commands print, and what stands for them. */
const signs: Readonly<Record<string, string>> = {
  "→": "->",
  "–": "-",
  "—": "-",
  "…": "...",
  "·": ".",
  "█": "#",
  "░": ".",
  "×": "x",
  "≤": "<=",
  "≥": ">=",
  "±": "+/-",
  "°": "",
  µ: "u",
  "“": '"',
  "”": '"',
  "‘": "'",
  "’": "'",
  ß: "ss",
  æ: "ae",
  ø: "o",
  ł: "l",
};

/** Columns that a line may get longer by. */
export const longerBy = 2;

/** In the letters of ASCII: accents are left out, and `?` stands for each column of what has no letter there. */
export function toAscii(text: string): string {
  return text.replace(/[\u0080-\u{10ffff}]+/gu, (run) => lettersOf(run).map(plainOf).join(""));
}

/** @returns nothing for an accent of its own, after its letter */
function plainOf(letter: string): string {
  const plain = Array.from(letter, (one) => {
    return signs[one] ?? one.normalize("NFKD").replace(/[\u0080-\u{10ffff}]/gu, "");
  }).join("");
  return plain === "" && letter !== "°" ? "?".repeat(columnsOf(letter)) : plain;
}

/**
 * Whether the other end takes ASCII alone: `LC_ALL`, `LC_CTYPE`, `LANG`, the first that is set (POSIX
 * §8.2). Where none is set a terminal is not trusted with more, and a file or program is.
 */
export function wantsAscii(
  { LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv,
  isTerminal: boolean,
): boolean {
  const locale = LC_ALL || LC_CTYPE || LANG;
  return locale ? !/utf-?8/i.test(locale) : isTerminal;
}
