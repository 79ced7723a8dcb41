/** A table as TOML, for people. Pure. */
import { stringify } from "smol-toml";

/** Escapes of TOML leave these as they are: a terminal would obey them, or show another order. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * Lines of a table; what a terminal must not get is a dot in them.
 * @param table of texts, numbers, booleans, lists and tables, as TOML reads them
 */
export function tomlLines(table: unknown): string[] {
  if (typeof table !== "object" || table === null || Array.isArray(table)) return [];
  const lines = stringify(table).trimEnd().split("\n");
  return lines.map((line) => line.replace(unprintable, "·"));
}
