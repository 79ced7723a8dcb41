/** Bodies with keys in them: read as bytes, in memory that is bounded over all requests and wiped by its owner. */
import type { IncomingMessage } from "node:http";
import { keyMemory } from "../../port/key.ts";

/** A body of keys that are supplied is no longer, bytes: some thousand short keys, or fifteen long ones. */
export const longestBody = 1_048_576;
/** Bodies in memory, bytes. */
const roomForBodies = 33_554_432;
/** One who asks has so much of it at most: others always find some. */
const roomOfOne = roomForBodies / 2;
/** So much of an announced length has its room before it comes, bytes. */
const believed = 16_384;

export type BodyRefusal = "too long" | "busy" | "cut";

export interface BodyOptions {
  /** Bytes. */
  readonly longest?: number;
  /** Who asks; undefined: all of them are one's own. */
  readonly of?: string | undefined;
}

export class Bodies {
  #taken = 0;
  /** By who asks, those who have some. */
  readonly #shares = new Map<string, number>();
  readonly #owners = new WeakMap<ArrayBufferLike, string>();

  /**
   * Reads a body to its end, and calls `then` once. The body is `then`'s to wipe, and its room to be given back
   * by {@link giveBack}.
   */
  read(
    request: IncomingMessage,
    then: (body: Buffer | BodyRefusal) => void,
    { longest = longestBody, of }: BodyOptions = {},
  ): void {
    // Its `close` has been told already.
    if (request.destroyed) return then("cut");
    const told = Number(request.headers["content-length"] ?? 4_096);
    if (told > longest) return then("too long");
    // What is announced and does not come takes no room from others.
    const begun = Math.min(told, believed);
    const first = this.#take(begun, of);
    if (first === undefined) return then("busy");
    let body = first;
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
        const wanted = Math.max(told, length + chunk.length);
        const grown = this.#grow(body, length, wanted, { longest, of });
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
    const of = this.#owners.get(body.buffer);
    if (of === undefined) return;
    this.#owners.delete(body.buffer);
    const left = (this.#shares.get(of) ?? 0) - all.length;
    if (left > 0) this.#shares.set(of, left);
    else this.#shares.delete(of);
  }

  #take(bytes: number, of: string | undefined): Buffer | undefined {
    if (this.#taken + bytes > roomForBodies) return undefined;
    const share = of === undefined ? 0 : (this.#shares.get(of) ?? 0) + bytes;
    if (share > roomOfOne) return undefined;
    const body = keyMemory(bytes);
    this.#taken += bytes;
    if (of === undefined) return body;
    this.#shares.set(of, share);
    this.#owners.set(body.buffer, of);
    return body;
  }

  /** A body whose length was not told, or of which little had its room at first. */
  #grow(
    body: Buffer,
    length: number,
    wanted: number,
    { longest, of }: { readonly longest: number; readonly of: string | undefined },
  ): Buffer | undefined {
    if (wanted > longest) return undefined;
    const grown = this.#take(Math.min(longest, Math.max(wanted, body.length * 2)), of);
    if (grown === undefined) return undefined;
    body.copy(grown, 0, 0, length);
    this.giveBack(body);
    return grown;
  }
}
