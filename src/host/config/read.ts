/** Reads a configuration file as far as it is TOML. Values are never quoted in what is said of it. */
import { closeSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { ConfigError, textProblem } from "./problems.ts";

/** More than a network of thousands of nodes and applications takes, bytes. */
const longest = 16_777_216;
const chunkLength = 65_536;

/** @param whyNot says why a file cannot be read @throws ConfigError `config.file` */
export function readConfigText(file: string, whyNot: (error: unknown) => string): string {
  let bytes: Buffer;
  try {
    bytes = readAtMost(file, longest);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError("config.file", [`${file}: cannot be read: ${whyNot(error)}`]);
  }
  const wrong = textProblem(bytes);
  if (wrong !== undefined) throw new ConfigError("config.file", [`${file}: ${wrong}`]);
  return bytes.toString("utf8");
}

/** Of a pipe as well, as a shell gives one: what has no end is left at the limit. @throws ConfigError; a system error */
function readAtMost(file: string, most: number): Buffer {
  const fd = openSync(file, "r");
  try {
    const chunks: Buffer[] = [];
    const chunk = Buffer.alloc(chunkLength);
    for (let length = 0; ; ) {
      const got = readSync(fd, chunk);
      if (got === 0) return Buffer.concat(chunks, length);
      length += got;
      chunks.push(Buffer.from(chunk.subarray(0, got)));
      if (length <= most) continue;
      throw new ConfigError("config.file", [
        `${file}: longer than ${most} bytes: no configuration`,
      ]);
    }
  } finally {
    closeSync(fd);
  }
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
