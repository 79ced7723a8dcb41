/** Files that the configuration names: certificates, keys, passwords. */
import { readFileSync } from "node:fs";
import { errorCode, Fault, type FaultCode } from "../../base/errors.ts";

/** @throws Fault `code` that names the file, and nothing of what is in it */
export function readNamed(file: string, code: FaultCode, message: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Fault(code, message, { file, code: errorCode(error) ?? "unknown" });
  }
}
