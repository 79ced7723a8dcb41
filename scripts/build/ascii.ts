/** Node.js holds a program with two bytes for each of its characters as soon as one of them is not ASCII. */
import { readFileSync, writeFileSync } from "node:fs";
import { transformSync } from "esbuild";

/**
 * Makes a program that esbuild has written ASCII: what is not can only be in comments, as strings have escapes. Lines and
 * columns stay where they are.
 * @throws Error if it was not in comments alone
 */
export function makeAscii(file: string): void {
  const text = readFileSync(file, "utf8");
  const ascii = text.replaceAll(/[^\0-\x7f]/g, "?");
  if (ascii === text) return;
  const code = (of: string) =>
    transformSync(of, { minifyWhitespace: true, legalComments: "none" }).code;
  if (code(ascii) !== code(text)) throw new Error(`${file}: not only comments are not ASCII`);
  writeFileSync(file, ascii);
}
