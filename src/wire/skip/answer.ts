/** Answers of SKIP (draft-cisco-skip): keys and entropy are written from bytes, and are never a text. Pure. */
import { algorithm, member } from "./names.ts";

/**
 * @param local the asking system's own ID
 * @param remotes of those with which it may share keys
 */
export function writeCapabilities(local: string, remotes: readonly string[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      [member.entropy]: true,
      [member.key]: true,
      [member.algorithm]: algorithm,
      [member.localSystem]: local,
      [member.remoteSystem]: remotes,
    }),
  );
}

/**
 * @param id 32 hexadecimal digits
 * @returns memory of its own that the caller wipes once it was sent
 */
export function writeKey(id: string, bytes: Uint8Array): Buffer {
  return around(`{"${member.keyId}":"${id}","${member.key}":"`, bytes, `"}`);
}

/** @returns as {@link writeKey} */
export function writeEntropy(bytes: Uint8Array): Buffer {
  return around(`{"${member.random}":"`, bytes, `","${member.bits}":${bytes.length * 8}}`);
}

const digits = Buffer.from("0123456789abcdef");

function around(before: string, bytes: Uint8Array, after: string): Buffer {
  const target = Buffer.allocUnsafeSlow(before.length + 2 * bytes.length + after.length);
  let at = target.write(before, "latin1");
  for (const byte of bytes) {
    target[at++] = digits[byte >> 4] as number;
    target[at++] = digits[byte & 15] as number;
  }
  target.write(after, at, "latin1");
  return target;
}
