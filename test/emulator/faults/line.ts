/** The line between a module and its transport, and what may go wrong on it: noise, and stalls. */
import type { Clock, Timer } from "../../../src/base/clock.ts";
import { Noise, type NoiseRates } from "./noise.ts";

export interface LineEnds {
  /** Puts bytes on the transport. */
  readonly send: (bytes: Buffer) => void;
  /** Bytes that the transport has not taken. */
  readonly backlog: () => number;
  /** Gives bytes of the node to the module. */
  readonly deliver: (chunk: Buffer) => void;
}

/** Bytes of the node kept during a stall; what is more is lost, as in any buffer. */
const maxHeld = 1_048_576;

export class FaultyLine {
  readonly #ends: LineEnds;
  readonly #clock: Clock;
  readonly #draw: () => number;
  #rates: NoiseRates = {};
  #down: Noise | undefined;
  #up: Noise | undefined;
  #stall: Timer | undefined;
  #heldDown: Buffer[] = [];
  #heldUp: Buffer[] = [];
  #heldDownBytes = 0;
  #heldUpBytes = 0;

  /** @param draw uniform in [0, 1) */
  constructor(ends: LineEnds, clock: Clock, draw: () => number) {
    this.#ends = ends;
    this.#clock = clock;
    this.#draw = draw;
  }

  /** Bytes of the module that wait. */
  get backlog(): number {
    return this.#ends.backlog() + this.#heldDownBytes;
  }

  /** Faults on the line so far. */
  get faults(): number {
    return (this.#down?.faults ?? 0) + (this.#up?.faults ?? 0);
  }

  /** Changes some of the rates; 0 ends a kind of fault. */
  noise(rates: NoiseRates): void {
    this.#rates = { ...this.#rates, ...rates };
    this.#down = new Noise(this.#rates, this.#draw);
    this.#up = new Noise(this.#rates, this.#draw);
  }

  /** Nothing passes either way for that long, ms. */
  stall(ms: number): void {
    this.#stall?.cancel();
    this.#stall = this.#clock.after(ms, () => this.#resume());
  }

  /** From the module. */
  transmit(bytes: Buffer): void {
    const noisy = this.#down?.pass(bytes) ?? bytes;
    if (this.#stall === undefined) return this.#ends.send(noisy);
    this.#heldDown.push(noisy);
    this.#heldDownBytes += noisy.length;
  }

  /** From the node. */
  receive(chunk: Buffer): void {
    const noisy = this.#up?.pass(chunk) ?? chunk;
    if (this.#stall === undefined) return this.#ends.deliver(noisy);
    if (this.#heldUpBytes + noisy.length > maxHeld) return;
    this.#heldUp.push(Buffer.from(noisy));
    this.#heldUpBytes += noisy.length;
  }

  /** The cable is pulled: what was held is lost. */
  clear(): void {
    this.#stall?.cancel();
    this.#stall = undefined;
    this.#heldDown = [];
    this.#heldUp = [];
    this.#heldDownBytes = 0;
    this.#heldUpBytes = 0;
  }

  #resume(): void {
    const down = this.#heldDown;
    const up = this.#heldUp;
    this.clear();
    for (const bytes of down) this.#ends.send(bytes);
    for (const chunk of up) this.#ends.deliver(chunk);
  }
}
