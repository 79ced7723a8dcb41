/** Files of a site, read and written: each is there whole or not at all, and what fails names the file. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { errorCode } from "../../src/base/errors.ts";
import { Refusal } from "./refusal.ts";

/** Where a file is written before it gets its name. */
export const staged = (path: string) => `${path}.new`;

/**
 * Writes a file beside its place and syncs it: a tool that is killed, a full disk or a stick that is pulled leaves
 * nothing under the name itself that would be taken for the file. What a run before left is overwritten.
 * @throws Refusal that names the file
 */
export function stageFile(path: string, content: string | Buffer, mode = 0o644): void {
  const file = staged(path);
  try {
    // Made anew, so that it never has wider rights than these.
    rmSync(file, { force: true });
    const descriptor = openSync(file, "wx", mode);
    try {
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    rmSync(file, { force: true });
    throw told(path, error);
  }
}

/** Gives a staged file its name, in place of what has it. @throws Refusal that names the file */
export function placeFile(path: string): void {
  try {
    renameSync(staged(path), path);
  } catch (error) {
    throw told(path, error);
  }
}

/** The same, if nothing has that name: what is there may be in use. @throws Refusal that names the file */
export function placeNewFile(path: string): void {
  try {
    linkSync(staged(path), path);
  } catch (error) {
    // A stick's file system has no links.
    if (errorCode(error) !== "EEXIST" && !existsSync(path)) return placeFile(path);
    rmSync(staged(path), { force: true });
    throw new Refusal(`${path} is there already, and stays as it is: it may be in use`);
  }
  rmSync(staged(path));
}

/** Writes a file, in place of what has its name. @throws Refusal that names the file */
export function putFile(path: string, content: string | Buffer): void {
  stageFile(path, content);
  placeFile(path);
}

/** @throws Refusal that names the file */
export function readNamed(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw told(path, error);
  }
}

/** Not every system error has the file's name in it: one of reading or writing has none. */
function told(path: string, error: unknown): unknown {
  if (errorCode(error) === undefined) return error;
  const { message } = error as Error;
  return new Refusal(message.includes(path) ? message : `${path}: ${message}`);
}
