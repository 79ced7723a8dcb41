/** Bodies with keys in them: read as bytes, in memory that is bounded over all requests and wiped by its owner. */
import type { IncomingMessage } from "node:http";
import { keyMemory } from "../../port/key.ts";

/** A body of keys that are supplied is no longer, bytes: some thousand short keys, or fifteen long ones. */
export const longestBody = 1_048_576;
/** Bodies in memory, bytes. */
const roomForBodies = 33_554_432;
/** So much of an announced length has its room before it comes, bytes. */
const believed = 16_384;

export type BodyRefusal = "too long" | "busy" | "cut";

export class Bodies {
  #taken = 0;

  /**
   * Reads a body to its end, and calls `then` once. The body is `then`'s to wipe, and its room to be given back
   * by {@link giveBack}.
   * @param longest bytes
   */
  read(
    request: IncomingMessage,
    then: (body: Buffer | BodyRefusal) => void,
    longest = longestBody,
  ): void {
    // Its `close` has been told already.
    if (request.destroyed) return then("cut");
    const told = Number(request.headers["content-length"] ?? 4_096);
    if (told > longest) return then("too long");
    // What is announced and does not come takes no room from others.
    const begun = Math.min(told, believed);
    if (!this.#take(begun)) return then("busy");
    let body = keyMemory(begun);
    let length = 0;
    let isOver = false;
    const end = (wrong?: BodyRefusal) => {
      if (isOver) return;
      isOver = true;
      if (wrong === undefined) return then(body.subarray(0, length));
      this.giveBack(body);
      then(wrong);
    };
    request.on("data", (chunk: Buffer) => {
      if (!isOver && length + chunk.length > body.length) {
        const grown = this.#grow(body, length, Math.max(told, length + chunk.length), longest);
        if (grown === undefined) end(length + chunk.length > longest ? "too long" : "busy");
        else body = grown;
      }
      if (!isOver) length += chunk.copy(body, length);
      chunk.fill(0);
    });
    request.on("end", () => end(request.complete ? undefined : "cut"));
    request.on("error", () => end("cut"));
    request.on("close", () => end("cut"));
  }

  /** Wipes a body. @param body as it was handed out */
  giveBack(body: Buffer): void {
    const all = Buffer.from(body.buffer);
    all.fill(0);
    this.#taken -= all.length;
  }

  #take(bytes: number): boolean {
    if (this.#taken + bytes > roomForBodies) return false;
    this.#taken += bytes;
    return true;
  }

  /** A body whose length was not told. */
  #grow(body: Buffer, length: number, wanted: number, longest: number): Buffer | undefined {
    const bytes = Math.min(longest, Math.max(wanted, body.length * 2));
    if (wanted > longest || !this.#take(bytes)) return undefined;
    const grown = keyMemory(bytes);
    body.copy(grown, 0, 0, length);
    this.giveBack(body);
    return grown;
  }
}
