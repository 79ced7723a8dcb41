/**
 * A file of a spool: AES-256-GCM under a key of its own that is derived (HKDF-SHA-256) from the spool's key
 * and a salt. What is known of the key is authenticated with it.
 *
 * In order: `QKDSPL1\n` · salt (32) · length of what is known (u32, big-endian) · that, as JSON ·
 * ciphertext, as long as the key · tag (16).
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { keyMemory } from "../../port/key.ts";
import { magic, saltLength } from "./spool-files.ts";

const tagLength = 16;
const headLength = magic.length + saltLength + 4;
/** Each file has a key of its own, which is used once. */
const nonce = Buffer.alloc(12);

/** @param info what the file is of: another file's content is no content of this one */
export function seal(spoolKey: KeyObject, info: string, facts: unknown, key: Uint8Array): Buffer {
  const head = Buffer.from(JSON.stringify(facts));
  const salt = randomBytes(saltLength);
  const cipher = createCipheriv("aes-256-gcm", derive(spoolKey, salt, info), nonce);
  const prefix = Buffer.alloc(headLength);
  magic.copy(prefix);
  salt.copy(prefix, magic.length);
  prefix.writeUInt32BE(head.length, headLength - 4);
  cipher.setAAD(Buffer.concat([prefix, head]));
  const sealed = [cipher.update(key), cipher.final()];
  return Buffer.concat([prefix, head, ...sealed, cipher.getAuthTag()]);
}

/**
 * @param mostFacts longest JSON, bytes
 * @returns the key in memory that the caller wipes; undefined if it is damaged, or sealed by another key
 */
export function unseal(
  spoolKey: KeyObject,
  info: string,
  bytes: Buffer,
  mostFacts: number,
): { readonly facts: unknown; readonly key: Buffer } | undefined {
  if (!bytes.subarray(0, magic.length).equals(magic)) return undefined;
  if (bytes.length < headLength + tagLength) return undefined;
  const length = bytes.readUInt32BE(headLength - 4);
  const start = headLength + length;
  if (length > mostFacts || bytes.length < start + tagLength) return undefined;
  const salt = bytes.subarray(magic.length, magic.length + saltLength);
  const decipher = createDecipheriv("aes-256-gcm", derive(spoolKey, salt, info), nonce);
  decipher.setAAD(bytes.subarray(0, start));
  decipher.setAuthTag(bytes.subarray(-tagLength));
  const plain = decipher.update(bytes.subarray(start, -tagLength));
  const key = keyMemory(plain.length);
  key.set(plain);
  plain.fill(0);
  try {
    decipher.final();
    // Authenticated, so it is what was written.
    return { facts: JSON.parse(bytes.toString("utf8", headLength, start)), key };
  } catch {
    key.fill(0);
    return undefined;
  }
}

/** Says of a key whether it is this one, and nothing else of it. */
export function keyCheck(spoolKey: KeyObject): Buffer {
  return Buffer.from(hkdfSync("sha256", spoolKey, "", "QKD spool: which key", 16));
}

function derive(spoolKey: KeyObject, salt: Uint8Array, info: string): KeyObject {
  const bytes = new Uint8Array(hkdfSync("sha256", spoolKey, salt, info, 32));
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}
