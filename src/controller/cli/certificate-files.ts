/** Requests and certificates in files, as a person names them. */
import { readFileSync, writeFileSync } from "node:fs";
import { errorCode } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { CliError } from "../../ops/cli/client.ts";

/** @throws CliError */
export function requestIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CliError(`${tidy(file)} cannot be read (${errorCode(error) ?? "?"})`, exit.io);
  }
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
