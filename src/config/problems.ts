/** Turns what is wrong with a configuration into lines for a person. Values are never quoted. */
import type * as v from "valibot";
import { Fault } from "../port/errors.ts";

/** A configuration that can't be used, with one line for each thing that is wrong with it. */
export class ConfigError extends Fault {
  readonly problems: readonly string[];

  constructor(code: "config.file" | "config.value", problems: readonly string[]) {
    super(code, problems[0] ?? "configuration cannot be used");
    this.problems = problems;
  }
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

/** Edits (insert, remove, replace) that make one word the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, replace));
    }
    row = next;
  }
  return row[b.length] as number;
}

function unknownKey(key: string, allowed: readonly string[]): string {
  const close = allowed.find((word) => distance(key, word) <= Math.min(2, word.length / 2));
  const hint = close === undefined ? "" : `; did you mean ${close}?`;
  return `unknown key${hint} (allowed: ${allowed.join(", ")})`;
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
  const expected = issue.expected ?? "something else";
  const received = issue.input === undefined ? "nothing" : kindOf(issue.input);
  return `expected ${words[expected] ?? expected.replace(/["()]/g, "").replaceAll(" | ", " or ")}, got ${received}`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (value === null || typeof value === "object") return "a table";
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
  return issue.message.startsWith("expected") ? issue.message : standardMessage(issue);
}
