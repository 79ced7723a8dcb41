/** A support bundle goes to the file that was asked for, whole or not at all. */
import { closeSync, fsyncSync, openSync, rmSync, writeFileSync } from "node:fs";
import { errorCode } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { whyNot } from "../../host/config/files.ts";
import { CliError } from "../cli/client.ts";

/**
 * Writes it for its owner alone, and syncs it: what a full disk or a stick that is pulled made of it is told, and taken
 * away, so that the name is free for the next one.
 * @throws CliError that names the file
 */
export function writeBundle(target: string, archive: Uint8Array): void {
  let file: number;
  try {
    file = openSync(target, "wx", 0o600);
  } catch (error) {
    throw cannot(target, error);
  }
  try {
    writeFileSync(file, archive);
    fsyncSync(file);
  } catch (error) {
    rmSync(target, { force: true });
    throw cannot(target, error);
  } finally {
    closeSync(file);
  }
}

function cannot(target: string, error: unknown): CliError {
  const code = errorCode(error) ?? "unknown";
  const known: Readonly<Record<string, string>> = {
    EEXIST: "it is there already",
    ENOENT: "its folder is not there",
  };
  const why = known[code] ?? whyNot(error);
  return new CliError(`${target}: cannot be made: ${why}`, exit.cantCreate);
}
