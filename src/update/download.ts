/** A file over HTTPS, with a limit on its size and on silence. */
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, Fault } from "../port/errors.ts";

export interface DownloadOptions {
  /** PEM of who may have issued the server's certificate; undefined: the system's. */
  readonly ca: string | undefined;
  readonly maxBytes: number;
  /** So many have come, of as many as the server says there are. */
  readonly onBytes?: (bytes: number, all: number | undefined) => void;
}

/** A server that says nothing for this long is given up, ms. */
const silenceMs = 60_000;

/**
 * Fetches `url` into `file`. What is there of it after a failure is removed.
 * @throws Fault `update`
 */
export async function download(url: string, file: string, options: DownloadOptions): Promise<void> {
  try {
    const response = await open(url, options.ca);
    await pipeline(
      response,
      limit(options, lengthOf(response)),
      createWriteStream(file, { mode: 0o600, flush: true }),
    );
  } catch (error) {
    await rm(file, { force: true });
    if (error instanceof Fault) throw error;
    throw new Fault("update", `cannot fetch the bundle: ${describe(error)}`, { source: url });
  }
}

function open(url: string, ca: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = get(url, { ca, minVersion: "TLSv1.2", timeout: silenceMs }, (response) => {
      const { statusCode } = response;
      if (statusCode === 200) return resolve(response);
      response.destroy();
      // A redirection is not followed: the command names the place.
      reject(new Fault("update", "the server refuses", { source: url, status: statusCode ?? 0 }));
    });
    request.on("timeout", () => {
      request.destroy(new Fault("update", "the server is silent", { limit_ms: silenceMs }));
    });
    request.on("error", reject);
  });
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = Number(headers["content-length"]);
  return Number.isSafeInteger(length) && length > 0 ? length : undefined;
}

function limit({ maxBytes: most, onBytes }: DownloadOptions, all: number | undefined): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _, next) {
      bytes += chunk.length;
      if (bytes > most) next(new Fault("update", "the bundle is too long", { limit: most }));
      else {
        onBytes?.(bytes, all);
        next(null, chunk);
      }
    },
  });
}
