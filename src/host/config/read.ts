/** Reads a configuration file as far as it is TOML. Values are never quoted in what is said of it. */
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { ConfigError, textProblem } from "./problems.ts";
import { readConfigBytes } from "./read-bytes.ts";

/** @param whyNot says why a file cannot be read @throws ConfigError `config.file` */
export function readConfigText(file: string, whyNot: (error: unknown) => string): string {
  let bytes: Buffer;
  try {
    bytes = readConfigBytes(file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError("config.file", [`${file || '""'}: cannot be read: ${whyNot(error)}`]);
  }
  const wrong = textProblem(bytes);
  if (wrong !== undefined) throw new ConfigError("config.file", [`${file}: ${wrong}`]);
  return bytes.toString("utf8");
}

/** @throws ConfigError `config.file` */
export function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Only the first line: the others show the file's text, which may hold a secret.
    const said = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    const hint = "; texts stand in straight quotes, true and false in small letters";
    const what = said === "invalid value" ? said + hint : said;
    throw new ConfigError("config.file", [
      `${file}:${error.line}:${error.column}: not TOML: ${what}`,
    ]);
  }
}

/** Names of files in a table, relative to the file that has the table. */
export function resolveFiles<T extends object>(table: T, keys: readonly string[], file: string): T {
  const resolved = { ...table } as Record<string, unknown>;
  for (const key of keys) {
    const value = resolved[key];
    if (typeof value === "string") resolved[key] = resolve(dirname(file), value);
  }
  return resolved as T;
}
