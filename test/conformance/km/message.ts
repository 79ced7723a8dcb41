/**
 * Kq-1 as the suite reads and writes it, from the documents (`src/wire/kq1/README.md`): apart from the node's
 * codec and from the test KM's, so that none can hide another's mistake.
 */
import { createHash } from "node:crypto";
import type { Target, TestKey } from "./target.ts";

export const headerBytes = 10;
export const maxPayload = 65_535;
export const codes = { supply: 1, supplyResponse: 2, request: 3, requestResponse: 4 } as const;

/** Words of Table 2 that a node understands. */
export const refusals = [
  "busy",
  "storage_full",
  "hash_mismatch",
  "duplicate_key_ID",
  "invalid_message",
  "unknown_module",
  "key_length_unsupported",
  "unauthorized",
  "internal_error",
] as const;

export type Members = Record<string, unknown>;

let sequence = 0;

/** The members of a Key supply message as a node sends it (Table 1). */
export function members(target: Target, { id, bits, bytes }: TestKey): Members {
  return {
    qkd_module_ID: target.moduleId,
    matching_qkd_module_ID: target.matchingModuleId,
    key_ID: id,
    key_length: bits,
    generation_timestamp: new Date().toISOString(),
    hash_value: `sha-256:${createHash("sha256").update(bytes).digest("hex")}`,
    extension: [{ qber: 0.0316 }, { sequence: sequence++ }],
    key: bytes.toString("base64"),
  };
}

/** A payload. @param change what is different; a member that becomes undefined is left out */
export function payload(target: Target, key: TestKey, change: Members = {}): Buffer {
  return Buffer.from(JSON.stringify({ ...members(target, key), ...change }));
}

export interface HeaderParts {
  readonly version?: number;
  readonly code?: number;
}

/** A message with its header (Annex A). */
export function frame(
  messageId: number,
  body: Buffer,
  { version = 1, code = codes.supply }: HeaderParts = {},
): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(version, 0);
  header.writeUInt32BE(messageId, 2);
  header.writeUInt16BE(code, 6);
  header.writeUInt16BE(body.length, 8);
  return Buffer.concat([header, body]);
}

/** What the KM said about a key. */
export interface Said {
  /**
   * The word of Table 2; `(closed)` if the connection ended before it, `(silence)` if nothing came in
   * time, `(unclear)` if what came is no answer about this key.
   */
  readonly word: string;
  /** More of it, for a person. */
  readonly why: string;
  readonly keyId: string | undefined;
}

/** An answer's members; undefined if it is no JSON object. */
export function readMembers(text: Buffer): Members | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Members)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A KM's own text in a message of the suite: short, and never something that could be a key. */
export function quoted(text: unknown): string {
  return typeof text === "string" && /^[\w. -]{1,40}$/.test(text) ? `"${text}"` : "another text";
}
