/** Turns what is wrong with a configuration into lines for a person. Values are never quoted. */
import type * as v from "valibot";
import { Fault } from "../../base/errors.ts";
import { didYouMean } from "../../base/words.ts";
import { keyLines, lineOf } from "./lines.ts";

/** What is wrong with a key of a configuration. */
export interface Problem {
  /** `km.main.port` */
  readonly key: string;
  readonly what: string;
}

/** A configuration that can't be used, with one line for each thing that is wrong with it. */
export class ConfigError extends Fault {
  /** `FILE: KEY: WHAT` */
  readonly problems: readonly string[];
  /** The same for people: `FILE:LINE: KEY: WHAT`, where the line is known. */
  readonly located: readonly string[];

  constructor(
    code: "config.file" | "config.value",
    problems: readonly string[],
    located: readonly string[] = problems,
  ) {
    super(code, problems[0] ?? "configuration cannot be used");
    this.problems = problems;
    this.located = located;
  }
}

/** @param text what is in the file */
export function configError(file: string, text: string, problems: readonly Problem[]): ConfigError {
  const lines = keyLines(text);
  const place = (key: string) => {
    const line = lineOf(lines, key);
    return line === undefined ? file : `${file}:${line}`;
  };
  return new ConfigError(
    "config.value",
    problems.map(({ key, what }) => `${file}: ${key}: ${what}`),
    problems.map(({ key, what }) => `${place(key)}: ${key}: ${what}`),
  );
}

/** `module[0].driver.path` from the path of an issue. */
export function keyPath(issue: v.BaseIssue<unknown>, prefix = ""): string {
  let path = prefix;
  for (const item of issue.path ?? []) {
    const key = item.key as string | number;
    if (typeof key === "number") path += `[${key}]`;
    else path += path === "" ? key : `.${key}`;
  }
  return path;
}

function unknownKey(key: string, allowed: readonly string[]): string {
  return `unknown key${didYouMean(key, allowed)} (allowed: ${allowed.join(", ")})`;
}

/** What valibot says where the schema gives no message of its own. */
function standardMessage(issue: v.BaseIssue<unknown>): string {
  const words: Readonly<Record<string, string>> = {
    string: "a text",
    number: "a number",
    boolean: "true or false",
    Object: "a table",
    Array: "an array of tables",
  };
  const limit = (issue as { readonly requirement?: unknown }).requirement;
  if (issue.type === "min_value") return `expected a number of at least ${limit}`;
  if (issue.type === "max_value") return `expected a number of at most ${limit}`;
  if (issue.type === "integer") return "expected a whole number";
  const expected = issue.expected ?? "something else";
  const choice = [...expected.matchAll(/"([^"]*)"/g)].map(([, word = ""]) => word);
  const wanted = words[expected] ?? expected.replace(/["()]/g, "").replaceAll(" | ", " or ");
  const near = typeof issue.input === "string" ? didYouMean(issue.input, choice) : "";
  return `expected ${wanted}, got ${kindOf(issue.input)}${near}${quotes(expected, issue.input)}`;
}

/** A number or a truth value in quotes, or a text without. Which one is not said: it may be a secret. */
function quotes(expected: string, input: unknown): string {
  if (expected === "number" && typeof input === "string" && /^[\d._+-]+$/.test(input)) {
    return ": leave out the quotes";
  }
  if (expected === "boolean" && typeof input === "string" && /^(true|false)$/i.test(input)) {
    return ": leave out the quotes";
  }
  const plain = typeof input === "number" || typeof input === "boolean";
  return expected === "string" && plain ? ": put it in quotes" : "";
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Date) return "a date or time: put it in quotes if it is a text";
  if (value === null || typeof value === "object") return "a table";
  if (Number.isNaN(value)) return "nan, which is none";
  if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) return "inf";
  return (
    { string: "a text", number: "a number", boolean: "a boolean" }[typeof value as string] ?? "?"
  );
}

/**
 * @param entriesAt the keys allowed in the table that an issue's last key is in
 * @returns what is wrong, without file and key
 */
export function explain(
  issue: v.BaseIssue<unknown>,
  entriesAt: (path: readonly (string | number)[]) => readonly string[],
): string {
  const path = (issue.path ?? []).map((item) => item.key as string | number);
  const key = path.at(-1);
  if (issue.type === "strict_object" && issue.expected === "never") {
    return unknownKey(String(key), entriesAt(path.slice(0, -1)));
  }
  if (issue.input === undefined) return "missing";
  // Messages of our own begin with this word; valibot's begin with "Invalid".
  if (!issue.message.startsWith("expected")) return standardMessage(issue);
  const endless = typeof issue.input === "number" && !Number.isFinite(issue.input);
  return endless ? `${issue.message}, got ${kindOf(issue.input)}` : issue.message;
}

/** Names of a table that are properties of every object in JavaScript, where they cause confusion. */
export function reservedNames(table: unknown): string[] {
  if (typeof table !== "object" || table === null) return [];
  return Object.keys(table).filter((name) => isReserved(name));
}

export function isReserved(name: string): boolean {
  return name === "prototype" || name in Object.prototype;
}

/** Why a file is no text that could be TOML. */
export function textProblem(bytes: Uint8Array): string | undefined {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return "not TOML: it is UTF-16; save it as UTF-8";
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    return "not TOML: it is no UTF-8 text";
  }
}
