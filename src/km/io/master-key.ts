/** The master key of the store, from a file: a systemd credential, or a text file of a person's making. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { errorCode, Fault } from "../../base/errors.ts";

const length = 32;
/** More than any form of it has. */
const most = 256;

/**
 * Reads 32 bytes: raw, or as 64 hexadecimal digits with or without a line end.
 * @returns memory that the caller wipes
 * @throws Fault `km_store.key`
 */
export function readMasterKey(file: string): Buffer {
  const bytes = Buffer.alloc(most);
  try {
    const read = readInto(bytes, file);
    if (read === length) return Buffer.from(bytes.subarray(0, length));
    const digits = trimEnd(bytes.subarray(0, read));
    const key = digits.length === 2 * length ? fromHex(digits) : undefined;
    if (key !== undefined) return key;
    throw new Fault("km_store.key", "the master key is 32 bytes, or 64 hexadecimal digits", {
      file,
      bytes: read,
    });
  } finally {
    bytes.fill(0);
  }
}

function readInto(bytes: Buffer, file: string): number {
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    if ((fstatSync(fd).mode & 0o007) !== 0) {
      throw new Fault("km_store.key", "the master key can be read by others: chmod o= FILE", {
        file,
      });
    }
    return readSync(fd, bytes, 0, most, 0);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const reason = errorCode(error) ?? "unknown";
    throw new Fault("km_store.key", "the master key cannot be read", { file, reason });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function trimEnd(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  return bytes.subarray(0, end);
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
