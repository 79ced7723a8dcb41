/** Small files with a secret: read without a string of it, and only if other users may not read them. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { errorCode, Fault, type FaultCode } from "../../base/errors.ts";

/** More than any of them has. */
const most = 256;

/**
 * All bytes of a file, 256 at most.
 * @param what as a message names it
 * @returns memory that the caller wipes @throws Fault `code`
 */
export function readSecret(file: string, code: FaultCode, what: string): Buffer {
  const bytes = Buffer.alloc(most);
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    if ((fstatSync(fd).mode & 0o007) !== 0) {
      throw new Fault(code, `${what} can be read by others: chmod o= FILE`, { file });
    }
    return bytes.subarray(0, readSync(fd, bytes, 0, most, 0));
  } catch (error) {
    bytes.fill(0);
    if (error instanceof Fault) throw error;
    const reason = errorCode(error) ?? "unknown";
    throw new Fault(code, `${what} cannot be read`, { file, reason });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The same without a line end. @throws Fault `code`, also if nothing else is in it */
export function readSecretText(file: string, code: FaultCode, what: string): Buffer {
  const text = trimEnd(readSecret(file, code, what));
  if (text.length === 0) throw new Fault(code, `${what} is missing: the file is empty`, { file });
  return text;
}

export function trimEnd(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  return bytes.subarray(0, end);
}
