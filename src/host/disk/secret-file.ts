/** Secrets in files: read as bytes, digit by digit, since a string of a key would stay in memory. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { errorCode, Fault, type FaultCode } from "../../base/errors.ts";

/** More than a text of those that are read here has, bytes. */
const mostText = 256;
/** To open a pipe would wait for its writer, and no signal would be heard meanwhile. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * Reads a file that others may not read. A pipe, a device or a folder in its place is refused.
 * @param most bytes that it may have; what is beyond is not read
 * @param what it is, for messages: "the master key"
 * @param use with its bytes, which are gone when it returns
 * @throws Fault `code`, and what `use` throws
 */
export function withSecretFile<T>(
  file: string,
  most: number,
  { code, what }: { readonly code: FaultCode; readonly what: string },
  use: (bytes: Buffer) => T,
): T {
  const bytes = Buffer.alloc(most);
  let fd: number | undefined;
  try {
    fd = openSync(file, flags);
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      const found = stats.isDirectory() ? "a folder" : "no file, but a pipe or a device";
      throw new Fault(code, `${what} cannot be read: it is ${found}`, { file });
    }
    if ((stats.mode & 0o007) !== 0) {
      throw new Fault(code, `${what} can be read by others: chmod o= FILE`, { file });
    }
    return use(bytes.subarray(0, readSync(fd, bytes, 0, most, 0)));
  } catch (error) {
    if (error instanceof Fault) throw error;
    const reason = errorCode(error) ?? "unknown";
    throw new Fault(code, `${what} cannot be read`, { file, reason });
  } finally {
    bytes.fill(0);
    if (fd !== undefined) closeSync(fd);
  }
}

/** What is between the mark (BOM) and the line ends of editors on other systems: the same memory. */
function textOf(bytes: Buffer): Buffer {
  const from = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  let end = bytes.length;
  while (end > from && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  return bytes.subarray(from, end);
}

/**
 * @param bytes hexadecimal digits in either case, with or without what editors put around them
 * @returns memory that the caller wipes; undefined if it is something else
 */
export function keyOfHex(bytes: Buffer): Buffer | undefined {
  const text = textOf(bytes);
  const end = text.length;
  if (end === 0 || end % 2 !== 0) return undefined;
  const key = Buffer.alloc(end / 2);
  for (let i = 0; i < end; i++) {
    const digit = text[i] as number;
    const isDigit = /[0-9a-fA-F]/.test(String.fromCharCode(digit));
    if (!isDigit) {
      key.fill(0);
      return undefined;
    }
    const value = digit >= 0x61 ? digit - 0x57 : digit >= 0x41 ? digit - 0x37 : digit - 0x30;
    key[i >> 1] = ((key[i >> 1] as number) << 4) | value;
  }
  return key;
}

/**
 * A text in a file, without what editors put around it.
 * @param what as a message names it
 * @returns memory that the caller wipes @throws Fault `code`, also if nothing else is in it
 */
export function readSecretText(file: string, code: FaultCode, what: string): Buffer {
  return withSecretFile(file, mostText, { code, what }, (bytes) => {
    const text = textOf(bytes);
    if (text.length === 0) throw new Fault(code, `${what} is missing: the file is empty`, { file });
    return Buffer.from(new Uint8Array(text));
  });
}
