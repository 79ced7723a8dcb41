/** Reads a Response to key request (Table 4); the keys in it never become strings. */
import { Fault } from "../../../src/base/errors.ts";
import { takeKeys } from "./redact.ts";
import type { Supply } from "./supply.ts";

export interface KeyAnswer {
  readonly response: string;
  /** In the order of the message; whoever has them wipes them. */
  readonly keys: readonly Supply[];
  /** Keys that did not fit this message. */
  readonly remaining: number;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @param moduleId whose keys they are @throws Fault `kq1.message` */
export function readKeyAnswer(payload: Uint8Array, moduleId: string): KeyAnswer {
  const bytes = takeKeys(payload);
  const bad = (what: string) => {
    for (const one of bytes) one?.fill(0);
    return new Fault("kq1.message", `response to key request: ${what}`, { clause: "Table 4" });
  };
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    throw bad("is not JSON");
  }
  const { keys, response, extension } = members;
  if (!Array.isArray(keys) || keys.length !== bytes.length)
    throw bad("keys is not an array of keys");
  if (typeof response !== "string") throw bad("response is missing");
  const supplies = keys.map((key: { key_ID?: unknown }, i): Supply => {
    const taken = bytes[i];
    if (taken === undefined) throw bad("a key is not base64");
    const id = key.key_ID;
    if (typeof id !== "string" || !uuid.test(id)) throw bad("a key_ID is not a UUID");
    return { facts: { id, moduleId, bits: taken.length * 8 }, bytes: taken };
  });
  const more = Array.isArray(extension)
    ? extension.find((one) => typeof one?.remaining === "number")
    : undefined;
  return { response, keys: supplies, remaining: more?.remaining ?? 0 };
}
