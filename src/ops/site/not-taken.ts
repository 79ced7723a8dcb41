/** The note of a configuration that was on trial and gone back from: which one, and why. It is told until the next trial. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { errorCode } from "../../base/errors.ts";
import { replace, syncFolder } from "./durable.ts";

/** In a machine's home. Hidden: neither a seal nor an older image takes it for a part of a configuration. */
export const notTakenFile = ".not-taken";
/** Longest reason, characters. */
const longestWhy = 300;

const schema = v.strictObject({
  v: v.literal(1),
  /** Its folder, as the link `site` would lead to it. */
  folder: v.pipe(v.string(), v.maxLength(64)),
  /** Its serial; 0: it was not signed; absent: its record could not be read. */
  serial: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  why: v.pipe(v.string(), v.maxLength(longestWhy)),
});

export type NotTaken = v.InferOutput<typeof schema>;

/** @returns undefined if there is no note, or what is there is none */
export function readNotTaken(home: string): NotTaken | undefined {
  try {
    const text = readFileSync(join(home, notTakenFile), "utf8");
    const result = v.safeParse(schema, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

/** Notes it durably. @param gid group of who may read it @throws system errors */
export function noteNotTaken(
  home: string,
  { why, ...note }: Omit<NotTaken, "v">,
  gid: number | undefined,
): void {
  const plain = why.replace(/[^ -~]+/g, " ").trim();
  const whole: NotTaken = { v: 1, ...note, why: plain.slice(0, longestWhy) };
  replace(join(home, notTakenFile), `${JSON.stringify(whole)}\n`, { mode: 0o644, gid });
}

/** Removes the note, durably. @throws system errors */
export function forgetNotTaken(home: string): void {
  try {
    rmSync(join(home, notTakenFile));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw error;
  }
  syncFolder(home);
}
