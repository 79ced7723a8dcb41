/** Key supply messages for tests of their reader. */
import { createHash } from "node:crypto";
import { SupplyReader } from "../../src/wire/kq1/supply-reader.ts";
import { uuidOf } from "../../src/wire/kq1/uuid.ts";

export const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
export const bytes = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7 + 1));
export const sha256 = (of: Uint8Array) =>
  `sha-256:${createHash("sha256").update(of).digest("hex")}`;

export type Parts = Readonly<Record<string, unknown>>;

export const usual = {
  qkd_module_ID: "QKD-A",
  matching_qkd_module_ID: "QKD-B",
  key_ID: id,
  key_length: 256,
  generation_timestamp: "2026-01-31T12:00:00.007Z",
  hash_value: sha256(bytes),
  extension: [{ qber: 0.0316 }, { sequence: 42 }],
  key: bytes.toString("base64"),
};

export const message = (change: Parts = {}) => Buffer.from(JSON.stringify({ ...usual, ...change }));

/** What a reader says of a payload that stands among other bytes. */
export function read(payload: Buffer, reader = new SupplyReader()) {
  const around = Buffer.concat([Buffer.from('"{'), payload, Buffer.from('"}]')]);
  const refusal = reader.read(around, 2, 2 + payload.length);
  const key = Buffer.alloc(reader.byteLength);
  reader.take(key, 0);
  return { refusal, reader, key, facts: reader.facts, id: uuidOf(reader.id) };
}
