/**
 * A module's PCIe card without PCIe: a FIFO stands for the DMA device of each direction, a file for
 * the register window (drivers/link/README.md). The node opens them as it would the real ones.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import {
  type DeviceState,
  register,
  windowLength,
  writeState,
} from "../../drivers/link/registers.ts";
import { type Clock, every, type Timer } from "../../src/base/clock.ts";
import { errorCode } from "../../src/base/errors.ts";
import { makeFifo, openFifo, waitingIn } from "./fifo.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

/** How often the registers are looked at and a full FIFO is tried again, ms. */
const tick = 1;
/** What a card's DMA ring may hold, bytes; the system may allow less. */
const ringLength = 1_048_576;

interface OpenCard {
  readonly window: number;
  readonly toNode: number;
  readonly events: number;
  readonly reader: Socket;
}

/**
 * Gives the memory of a frame that has left back at once: the garbage collector would let many gather.
 * Memory that others have a part of, as of the allocator's pool, is never filled by half by one.
 */
function release(frame: Buffer): void {
  const memory = frame.buffer as ArrayBuffer;
  const own = frame.length * 2 > memory.byteLength;
  // Short frames are not worth the call.
  if (own && frame.length >= 4_096) memory.transfer(0);
}

const deviceNames = ["c2h_0", "h2c_0", "events_0"] as const;
const oneInterrupt = Buffer.from([1, 0, 0, 0]);

export class EmulatedPcie implements Transport {
  readonly path: string;
  readonly lowWater = ringLength;
  readonly #clock: Clock;
  readonly #handlers: TransportHandlers;
  #state: Omit<DeviceState, "version">;
  #open: OpenCard | undefined;
  readonly #words = Buffer.alloc(windowLength);
  readonly #sink = Buffer.alloc(65_536);
  #token = 0;
  #sent = 0;
  #queue: Buffer[] = [];
  /** Bytes of the first that have left. */
  #gone = 0;
  #backlog = 0;
  #flushQueued = false;
  /** The FIFO took nothing more: it is tried again at the next tick, since each refusal is an exception. */
  #full = false;
  #timer: Timer | undefined;

  /** @param path what the card's device names begin with */
  constructor(path: string, moduleId: string, clock: Clock, handlers: TransportHandlers) {
    this.path = path;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#state = {
      ready: true,
      fault: false,
      overTemperature: false,
      zeroized: false,
      interrupts: true,
      temperature: 41.5,
      moduleId,
    };
  }

  get plugged(): boolean {
    return this.#open !== undefined;
  }

  get backlog(): number {
    return this.#backlog;
  }

  /** Changes what the registers say of the card. */
  show(state: Partial<Omit<DeviceState, "version">>): void {
    this.#state = { ...this.#state, ...state };
    if (this.#open === undefined) return;
    writeState(this.#words, this.#state);
    const { window } = this.#open;
    writeSync(window, this.#words, 0, register.open, 0);
    writeSync(window, this.#words, register.temperature, 4, register.temperature);
    writeSync(window, this.#words, register.moduleId, 128, register.moduleId);
  }

  plug(): void {
    if (this.#open !== undefined) return;
    mkdirSync(dirname(this.path), { recursive: true });
    const [toNode, fromNode, events] = deviceNames.map((name) => {
      makeFifo(`${this.path}_${name}`);
      return openFifo(`${this.path}_${name}`, ringLength);
    }) as [number, number, number];
    const reader = new Socket({ fd: fromNode, readable: true, writable: false });
    reader.on("data", (chunk: Buffer) => this.#handlers.bytes(chunk));
    reader.on("error", () => this.unplug());
    this.#words.fill(0);
    writeState(this.#words, this.#state);
    writeFileSync(`${this.path}_user`, this.#words, { mode: 0o600 });
    const window = openSync(`${this.path}_user`, "r+");
    this.#open = { window, toNode, events, reader };
    this.#timer = every(this.#clock, tick, () => this.#tick());
  }

  unplug(): void {
    if (this.#open === undefined) return;
    const { window, toNode, events, reader } = this.#open;
    this.#open = undefined;
    this.#timer?.cancel();
    // What the bus reads from a card that is gone.
    writeSync(window, Buffer.alloc(windowLength, 0xff), 0, windowLength, 0);
    for (const name of ["user", ...deviceNames]) rmSync(`${this.path}_${name}`, { force: true });
    reader.destroy();
    closeSync(window);
    closeSync(toNode);
    closeSync(events);
    this.#token = 0;
    this.#drop();
  }

  /** As after a reset of the card: whoever has it open must open it anew. */
  reset(): void {
    if (this.#open === undefined) return;
    this.#token = 0;
    this.#drop();
    this.#write(register.open, 0);
    this.#write(register.opened, 0);
  }

  send(bytes: Buffer): void {
    if (this.#open === undefined || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#backlog += bytes.length;
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      this.#flush();
    });
  }

  #tick(): void {
    const open = this.#open;
    if (open === undefined) return;
    readSync(open.window, this.#words, 0, 4, register.open);
    const token = this.#words.readUInt32LE(0);
    if (token !== 0 && token !== this.#token) this.#opened(token, open.toNode);
    this.#full = false;
    if (this.#backlog > 0) {
      this.#flush();
      if (this.#backlog < this.lowWater) this.#handlers.drained();
    }
  }

  /** Empties the stream and the counters for whoever asked. */
  #opened(token: number, toNode: number): void {
    this.#drop();
    this.#drain(toNode);
    this.#sink.fill(0);
    this.#token = token;
    this.#sent = 0;
    this.#write(register.toNode, 0);
    this.#write(register.opened, token);
  }

  #flush(): void {
    const open = this.#open;
    if (open === undefined || this.#token === 0 || this.#full) return;
    const before = this.#sent;
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      let went = 0;
      try {
        went = writeSync(open.toNode, first, this.#gone);
      } catch (error) {
        if (errorCode(error) !== "EAGAIN") throw error;
        this.#full = true;
      }
      if (went === 0) break;
      this.#sent = (this.#sent + went) >>> 0;
      this.#backlog -= went;
      this.#gone += went;
      if (this.#gone < first.length) continue;
      this.#gone = 0;
      this.#queue.shift();
      release(first);
    }
    if (this.#sent === before) return;
    this.#write(register.toNode, this.#sent);
    if (this.#state.interrupts) this.#interrupt(open.events);
  }

  /** The device never has more than one number: one that was not read yet tells of this as well. */
  #interrupt(events: number): void {
    if (waitingIn(events) === 0) writeSync(events, oneInterrupt);
  }

  #drain(fifo: number): void {
    try {
      while (readSync(fifo, this.#sink, 0, this.#sink.length, null) > 0);
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
    }
  }

  #write(at: number, value: number): void {
    const { window } = this.#open as { readonly window: number };
    const word = Buffer.alloc(4);
    word.writeUInt32LE(value >>> 0);
    writeSync(window, word, 0, 4, at);
  }

  #drop(): void {
    this.#queue = [];
    this.#gone = 0;
    this.#backlog = 0;
  }
}
