/** The check over a whole block (QMLP §4, Blocks). */
import { createCipheriv, createSecretKey, hash } from "node:crypto";
import type { BlockCheck } from "./blocks.ts";

/** A key object: for bytes Node.js throws and catches an error in each call. */
const zeroKey = createSecretKey(Buffer.alloc(16));
const zeroNonce = Buffer.alloc(12);

/** @returns the 32 bytes that stand in the header of KEY */
export function checkOf(check: BlockCheck, bytes: Uint8Array): Buffer {
  if (check === "sha-256") return hash("sha256", bytes, "buffer");
  const mac = createCipheriv("aes-128-gcm", zeroKey, zeroNonce);
  mac.setAAD(bytes);
  mac.final();
  const value = Buffer.alloc(32);
  mac.getAuthTag().copy(value);
  return value;
}
