/** The master key of the store, from a file: a systemd credential, or a text file of a person's making. */
import { Fault } from "../../base/errors.ts";
import { readSecret, trimEnd } from "../../host/disk/secret-file.ts";

const length = 32;

/**
 * Reads 32 bytes: raw, or as 64 hexadecimal digits with or without a line end.
 * @returns memory that the caller wipes
 * @throws Fault `km_store.key`
 */
export function readMasterKey(file: string): Buffer {
  const bytes = readSecret(file, "km_store.key", "the master key");
  try {
    if (bytes.length === length) return Buffer.from(bytes);
    const digits = trimEnd(bytes);
    const key = digits.length === 2 * length ? fromHex(digits) : undefined;
    if (key !== undefined) return key;
    throw new Fault("km_store.key", "the master key is 32 bytes, or 64 hexadecimal digits", {
      file,
      bytes: bytes.length,
    });
  } finally {
    bytes.fill(0);
  }
}

/** Digit by digit: a string of a key would stay in memory. */
function fromHex(digits: Buffer): Buffer | undefined {
  const key = Buffer.alloc(digits.length / 2);
  for (const [i, digit] of digits.entries()) {
    const value = digit >= 0x61 ? digit - 0x57 : digit >= 0x41 ? digit - 0x37 : digit - 0x30;
    const isDigit = /[0-9a-fA-F]/.test(String.fromCharCode(digit));
    if (!isDigit) return undefined;
    key[i >> 1] = ((key[i >> 1] as number) << 4) | value;
  }
  return key;
}
