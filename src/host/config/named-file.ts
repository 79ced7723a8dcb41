/** Files that the configuration names: certificates, keys, passwords. */
import { errorCode, Fault, type FaultCode } from "../../base/errors.ts";
import { readRegular } from "../disk/regular-file.ts";

/** @throws Fault `code` that names the file, and nothing of what is in it */
export function readNamed(file: string, code: FaultCode, message: string): Buffer {
  try {
    return readRegular(file);
  } catch (error) {
    throw new Fault(code, message, { file, code: errorCode(error) ?? "unknown" });
  }
}
