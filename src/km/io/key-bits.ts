/**
 * Random bits that become key (Y.3803 §8.2.3, NOTE 3): the system's, or a hardware generator's with the system's XORed
 * to it, so that it is never worse. What fails its health tests gives no bit any more until the next start.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { HealthTests } from "../relay/health.ts";

export interface KeyBitsOptions {
  /** Device or file of a hardware generator; undefined: the system's bits alone. */
  readonly file: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the system. */
  readonly system?: (length: number) => Buffer;
}

/** The device answers within this, ms. */
const readMs = 2_000;
/** Draws that wait: more get nothing. */
const mostWaiting = 256;

export class KeyBits {
  readonly #options: KeyBitsOptions;
  readonly #system = new HealthTests();
  readonly #hardware = new HealthTests();
  #file: FileHandle | undefined;
  #failed = false;
  #waiting = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: KeyBitsOptions) {
    this.#options = options;
  }

  /** No bit is given any more. */
  get failed(): boolean {
    return this.#failed;
  }

  /** @param done undefined if there are none that can be trusted; the bits are wiped by who has them */
  draw(length: number, done: (bits: Buffer | undefined) => void): void {
    const { file, system = randomBytes } = this.#options;
    const bits = system(length);
    const why = this.#system.check(bits);
    if (why !== undefined) this.#fail(new Fault("km.random", "the system's random bits", { why }));
    if (this.#failed || this.#waiting >= mostWaiting) return done(undefined);
    if (file === undefined) return done(bits);
    this.#waiting++;
    this.#turn = this.#turn.then(async () => {
      const more = await this.#read(length).catch((error) => this.#fail(error));
      this.#waiting--;
      if (more === undefined) {
        bits.fill(0);
        return done(undefined);
      }
      for (let i = 0; i < length; i++) bits[i] = (bits[i] as number) ^ (more[i] as number);
      more.fill(0);
      done(bits);
    });
  }

  /** @throws Fault, or the system's error */
  async #read(length: number): Promise<Buffer | undefined> {
    const { file = "", clock } = this.#options;
    if (this.#failed) return undefined;
    this.#file ??= await open(file, "r");
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const late = () => new Fault("km.random", "gives no bits in time", { limit_ms: readMs });
      const reading = this.#file.read(bytes, at, length - at, null);
      const { bytesRead } = await within(clock, readMs, reading, late);
      if (bytesRead === 0) throw new Fault("km.random", "has no more bits", { file });
      at += bytesRead;
    }
    const why = this.#hardware.check(bytes);
    if (why === undefined) return bytes;
    bytes.fill(0);
    throw new Fault("km.random", "fails its health tests", { file, why });
  }

  #fail(error: unknown): undefined {
    if (this.#failed) return;
    this.#failed = true;
    const cause = describe(error);
    // Keys of other schemes are those of links; and what others began goes on.
    const what =
      "no random bits for keys: no relay by case-2 or aes begins here until the next start";
    this.#options.log.error(what, { cause });
    return undefined;
  }

  async close(): Promise<void> {
    await this.#file?.close().catch(() => {});
  }
}
