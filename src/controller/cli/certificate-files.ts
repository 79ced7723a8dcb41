/** Requests and certificates in files, as a person names them. */
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { errorCode } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { whyNot } from "../../host/config/files.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { CliError } from "../../ops/cli/client.ts";

/** A request with many names has some kB. */
const longestRequest = 65_536;

/** Also from a pipe. @throws CliError */
export function requestIn(file: string): string {
  const bytes = Buffer.alloc(longestRequest + 1);
  let length = 0;
  try {
    const from = openSync(file, "r");
    try {
      for (let read = -1; read !== 0 && length < bytes.length; length += read) {
        read = readSync(from, bytes, length, bytes.length - length, null);
      }
    } finally {
      closeSync(from);
    }
  } catch (error) {
    throw new CliError(`${tidy(file)} cannot be read: ${whyNot(error)}`, exit.io);
  }
  if (length <= longestRequest) return bytes.toString("utf8", 0, length);
  throw new CliError(`${tidy(file)} is no certificate request: over 64 KiB`, exit.usage);
}

/** What is there already is kept: it may be in use. @throws CliError */
export function certificateTo(file: string, pem: string): void {
  try {
    writeFileSync(file, pem, { flag: "wx" });
  } catch (error) {
    process.stdout.write(pem);
    const why = errorCode(error) === "EEXIST" ? "is there already" : `(${errorCode(error) ?? "?"})`;
    throw new CliError(`${tidy(file)} cannot be written: ${why}; it is on stdout`, exit.io);
  }
}
