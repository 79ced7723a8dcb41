/** The bytes of a configuration file: of a pipe as well, as a shell gives one. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type Clock, systemClock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { endableWhile } from "../life/signals.ts";
import { ConfigError } from "./problems.ts";

/** More than a network of thousands of nodes and applications takes, bytes. */
const longest = 16_777_216;
const chunkLength = 65_536;
/** A pipe to which nothing writes is given up after this, ms. */
const writerWait = 5_000;
/** The same of one whose writer has not written for so long: a person may have to unlock what it writes. */
const silentWait = 60_000;
const pause = 20;

/**
 * What was read of a pipe, by its inode: it says it once, and a program reads its configuration again, for a support
 * bundle or what a mistake in it is told with.
 */
const ofPipes = new Map<string, Buffer>();
const mostPipes = 16;

/**
 * What has no end is left at the limit, and a pipe is waited for so long and no longer.
 * @throws ConfigError `config.file`; a system error
 */
export function readConfigBytes(file: string, clock: Clock = systemClock): Buffer {
  // To open a pipe would wait for its writer, and no signal would be heard meanwhile.
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFIFO()) return readAll(fd, file, false, clock);
    const key = `${stats.dev}/${stats.ino}`;
    const known = ofPipes.get(key);
    if (known !== undefined) return Buffer.from(known);
    const bytes = endableWhile(() => readAll(fd, file, true, clock));
    if (ofPipes.size < mostPipes) ofPipes.set(key, Buffer.from(bytes));
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function readAll(fd: number, file: string, isPipe: boolean, clock: Clock): Buffer {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(chunkLength);
  const begun = clock.now();
  let last = begun;
  for (let length = 0; ; ) {
    const got = readNow(fd, chunk);
    if (got === "later") {
      if (clock.now() - last >= silentWait)
        throw silent(file, "nothing more was written", silentWait);
      wait();
    } else if (got > 0) {
      last = clock.now();
      length += got;
      chunks.push(Buffer.from(chunk.subarray(0, got)));
      if (length > longest) {
        const what = `${file}: longer than ${longest} bytes: no configuration`;
        throw new ConfigError("config.file", [what]);
      }
    } else if (isPipe && length === 0) {
      // That it has no writer and that its writer has ended are one and the same here.
      if (clock.now() - begun >= writerWait) throw silent(file, "nothing was written", writerWait);
      wait();
    } else {
      return Buffer.concat(chunks, length);
    }
  }
}

function silent(file: string, what: string, ms: number): ConfigError {
  return new ConfigError("config.file", [`${file}: a pipe to which ${what} for ${ms / 1_000} s`]);
}

/** @returns bytes that were read, 0 at the end; `later` if there are none just now */
function readNow(fd: number, chunk: Buffer): number | "later" {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    if (errorCode(error) === "EAGAIN") return "later";
    throw error;
  }
}

/** Configurations are read without turns of the event loop. */
function wait(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
}
