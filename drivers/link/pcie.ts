/**
 * A link over a PCIe card: a DMA character device in each direction and a register window, as the
 * Xilinx XDMA driver makes them (`…_c2h_0`, `…_h2c_0`, `…_user`). The document is `README.md`.
 *
 * A read of a DMA device waits in the kernel until there is something, and holds one of libuv's few
 * threads for that time; four silent cards would stop file access and cryptography of the whole
 * process. So nothing is read that the card has not announced in its registers: a read never waits.
 */
import { randomInt } from "node:crypto";
import {
  close as closeFile,
  constants,
  openSync,
  read as readFile,
  readSync,
  write as writeFile,
  writeSync,
} from "node:fs";
import { Chunks } from "../../src/base/chunks.ts";
import { type Clock, delay, type Timer } from "../../src/base/clock.ts";
import { errorCode, Fault } from "../../src/base/errors.ts";
import type { DriverContext } from "../../src/port/module.ts";
import { Interrupts } from "./interrupts.ts";
import { LinkLife } from "./life.ts";
import type { Link, LinkFactory } from "./link.ts";
import { Owner } from "./owner.ts";
import { isPresent, readState, register, windowLength } from "./registers.ts";

export interface PcieOptions {
  /** What the names of the card's devices begin with, such as `/dev/xdma0`. */
  readonly path: string;
  /** One card may carry several modules. */
  readonly channel: number;
}

/** A card answers a request to open within this time, ms. */
const openTimeout = 1_000;
/** How often the registers are looked at, ms: while there is traffic, and when there was none. */
const busyPoll = 1;
const idlePoll = 4;
const idleAfter = 50;
/** The same where interrupts tell of traffic: a reset and a card that is gone are still to be seen. */
const sparePoll = 50;
/** A read is of one chunk at most. */
const chunks = new Chunks(262_144, 4);

/** @param hold keeps other processes from the channel, which to open begins anew for all who have it */
export function pcieLink(
  options: PcieOptions,
  clock: Clock,
  hold?: DriverContext["hold"],
): LinkFactory {
  const where = `${options.path} channel ${options.channel}`;
  const owner = new Owner(`${options.path}_c2h_${options.channel}`, hold);
  return {
    where,
    checked: true,
    maxBody: 65_536,
    inspect() {
      const files = new Files();
      try {
        const card = readState(registers(files, options).window(), where);
        const says = [
          card.ready ? "ready" : "not ready",
          ...(card.fault ? ["fault"] : []),
          ...(card.overTemperature ? ["over temperature"] : []),
          ...(card.zeroized ? ["zeroized"] : []),
        ];
        return {
          card: `${card.moduleId || "no name"}, register map ${card.version}`,
          "card status": says.join(", "),
          "card temperature": `${card.temperature} °C`,
        };
      } finally {
        void files.close();
      }
    },
    async open(onBytes, signal) {
      if (!(await owner.enter())) {
        const what = "cannot open PCIe device: another process has it";
        throw new Fault("link.open", what, { source: owner.path });
      }
      const files = new Files();
      files.onClosed = () => owner.leave();
      return openPcie(options, files, where, clock, onBytes, signal);
    },
  };
}

/** The descriptors of one link, closed together. */
class Files {
  readonly #open: number[] = [];
  /** Called once, when they are closed. */
  onClosed: (() => void) | undefined;

  /** @throws Fault `link.open` */
  add(path: string, flags: number): number {
    try {
      const file = openSync(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY);
      this.#open.push(file);
      return file;
    } catch (error) {
      const code = errorCode(error) ?? "unknown";
      const known: Readonly<Record<string, string>> = {
        ENOENT: "there is no such device",
        EACCES: "permission denied",
        EBUSY: "another process has it",
        // A pipe without a reader: the emulator is not there.
        ENXIO: "nothing is behind the device",
        ENODEV: "nothing is behind the device",
        EISDIR: "it is a folder",
        ENOTDIR: "a part of its path is no folder",
        ELOOP: "its links lead in a circle",
      };
      throw new Fault("link.open", `cannot open PCIe device: ${known[code] ?? code}`, {
        source: path,
      });
    }
  }

  /** Resolves when all are closed; a device may take its time for it. */
  async close(): Promise<void> {
    const closed = (file: number) => new Promise<void>((done) => closeFile(file, () => done()));
    await Promise.all(this.#open.splice(0).map(closed));
    this.onClosed?.();
    this.onClosed = undefined;
  }
}

/** Registers by pread and pwrite. They never wait, so they are used in line. */
class Registers {
  readonly #file: number;
  readonly #base: number;
  readonly #buffer = Buffer.alloc(windowLength);
  readonly #word = Buffer.alloc(4);

  constructor(file: number, base: number) {
    this.#file = file;
    this.#base = base;
  }

  /** The whole window; valid until the next call. All ones if the device is gone. */
  window(length = windowLength): Buffer {
    const buffer = this.#buffer.subarray(0, length);
    let got = 0;
    try {
      got = readSync(this.#file, buffer, 0, length, this.#base);
    } catch {}
    if (got < length) buffer.fill(0xff);
    return buffer;
  }

  /** @throws a system error if the device is gone */
  write(at: number, value: number): void {
    this.#word.writeUInt32LE(value >>> 0);
    writeSync(this.#file, this.#word, 0, 4, this.#base + at);
  }
}

function registers(files: Files, options: PcieOptions): Registers {
  const file = files.add(`${options.path}_user`, constants.O_RDWR);
  return new Registers(file, options.channel * windowLength);
}

async function openPcie(
  options: PcieOptions,
  files: Files,
  where: string,
  clock: Clock,
  onBytes: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<Link> {
  try {
    const window = registers(files, options);
    const state = readState(window.window(), where);
    if (!state.ready) {
      const facts = { source: where, fault: state.fault, zeroized: state.zeroized };
      throw new Fault("link.open", "card is not ready", facts);
    }
    const token = randomInt(1, 0xffff_ffff);
    try {
      window.write(register.open, token);
    } catch (error) {
      const code = errorCode(error) ?? "unknown";
      throw new Fault("link.open", "cannot write registers", { source: where, code });
    }
    await opened(window, token, where, clock, signal);
    const { path, channel } = options;
    const fromModule = files.add(`${path}_c2h_${channel}`, constants.O_RDONLY);
    const toModule = files.add(`${path}_h2c_${channel}`, constants.O_WRONLY);
    const events = state.interrupts ? `${path}_events_${channel}` : undefined;
    return new PcieLink({
      files,
      window,
      token,
      fromModule,
      toModule,
      events,
      where,
      clock,
      onBytes,
    });
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** Waits until the card has emptied its streams for us. */
async function opened(
  window: Registers,
  token: number,
  source: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.now() + openTimeout;
  while (window.window().readUInt32LE(register.opened) !== token) {
    if (signal.aborted) throw new Fault("stopped", "opening the card was stopped", { source });
    if (clock.now() >= deadline) {
      const facts = { source, limit_ms: openTimeout };
      throw new Fault("link.open", "card does not answer a request to open", facts);
    }
    await delay(clock, busyPoll, signal);
  }
}

interface PcieParts {
  readonly files: Files;
  readonly window: Registers;
  readonly token: number;
  readonly fromModule: number;
  readonly toModule: number;
  /** The device that tells of interrupts, if the card raises them. */
  readonly events: string | undefined;
  readonly where: string;
  readonly clock: Clock;
  readonly onBytes: (chunk: Buffer) => void;
}

class PcieLink implements Link {
  readonly #parts: PcieParts;
  readonly #life: LinkLife;
  readonly #interrupts: Interrupts | undefined;
  /** Bytes read and written so far, as the registers count them. */
  #read = 0;
  #written = 0;
  #reading = false;
  #writing = false;
  readonly #queue: Buffer[] = [];
  #poll: Timer | undefined;
  #busyAt: number;
  #settled: (() => void) | undefined;

  constructor(parts: PcieParts) {
    this.#parts = parts;
    this.#busyAt = parts.clock.now();
    this.#life = new LinkLife(parts.where, parts.clock, () => this.#shut());
    const { events } = parts;
    if (events !== undefined) this.#interrupts = Interrupts.open(events, () => this.#look());
    this.#look();
  }

  get ended(): Promise<Error | undefined> {
    return this.#life.ended;
  }

  get backlog(): number {
    return this.#life.backlog;
  }

  write(bytes: Buffer): void {
    if (this.#life.over) return;
    this.#life.queued(bytes.length);
    this.#queue.push(bytes);
    this.#writeNext();
  }

  close(): Promise<void> {
    return this.#life.close();
  }

  /** Looks at the registers, and reads what they announce. */
  #look(): void {
    const { window, token, clock } = this.#parts;
    if (this.#life.over || this.#reading) return;
    const words = window.window(register.toModule);
    const now = clock.now();
    const opened = words.readUInt32LE(register.opened);
    if (opened !== token) {
      const gone = opened === 0xffff_ffff;
      this.#fail(gone ? "card is gone" : "card was reset, or opened by another");
      return;
    }
    // First: a card that has always something to say, or says so and has not, would keep it from being told.
    this.#writeNext();
    const waiting = (words.readUInt32LE(register.toNode) - this.#read) >>> 0;
    if (waiting > 0) {
      this.#busyAt = now;
      this.#readSome(Math.min(waiting, chunks.length));
      return;
    }
    if (this.#interrupts?.working && this.#queue.length === 0) this.#again(sparePoll);
    else this.#again(now - this.#busyAt > idleAfter ? idlePoll : busyPoll);
  }

  #again(ms: number): void {
    this.#poll?.cancel();
    this.#poll = this.#parts.clock.after(ms, () => this.#look());
  }

  #readSome(length: number): void {
    this.#reading = true;
    const chunk = chunks.take();
    readFile(this.#parts.fromModule, chunk, 0, length, null, (error, got) => {
      this.#reading = false;
      const bytes = chunk.subarray(0, got);
      try {
        if (this.#settle()) return;
        if (error === null && got > 0) {
          this.#read = (this.#read + got) >>> 0;
          this.#parts.onBytes(bytes);
        }
      } finally {
        bytes.fill(0);
        chunks.giveBack(chunk);
      }
      if (error !== null && errorCode(error) !== "EAGAIN") {
        this.#fail("reading from the card failed", errorCode(error));
      } else if (error !== null) {
        this.#again(busyPoll);
      } else if (got === 0) {
        this.#fail("card has closed its stream");
      } else {
        // What the card puts into its stream meanwhile is read at once after this: fewer, longer reads.
        this.#look();
      }
    });
  }

  #writeNext(): void {
    const first = this.#queue[0];
    if (first === undefined || this.#writing || this.#life.over) return;
    this.#writing = true;
    writeFile(this.#parts.toModule, first, 0, first.length, null, (error, went) => {
      this.#writing = false;
      if (this.#settle()) return;
      if (error !== null) {
        // A full stream is tried again when the registers are looked at next.
        if (errorCode(error) !== "EAGAIN")
          this.#fail("writing to the card failed", errorCode(error));
        return;
      }
      // Nor is one that took nothing asked again at once.
      if (went === 0) return;
      this.#took(first, went);
      this.#writeNext();
    });
  }

  #took(first: Buffer, went: number): void {
    this.#life.taken(went);
    this.#busyAt = this.#parts.clock.now();
    if (went === first.length) this.#queue.shift();
    else this.#queue[0] = first.subarray(went);
    this.#written = (this.#written + went) >>> 0;
    try {
      this.#parts.window.write(register.toModule, this.#written);
    } catch {
      this.#fail("card is gone");
    }
    // What was written is soon answered.
    if (!this.#reading && !this.#interrupts?.working) this.#again(busyPoll);
  }

  #fail(what: string, code?: string): void {
    const { window, where } = this.#parts;
    const facts = { source: where, present: isPresent(window.window()), ...(code && { code }) };
    this.#life.finish(new Fault("link.closed", what, facts));
  }

  /** After the end: whether the last operation has come back, so that files may be closed. */
  #settle(): boolean {
    if (!this.#life.over) return false;
    if (!this.#reading && !this.#writing) this.#settled?.();
    return true;
  }

  /** A descriptor that is in use by a thread must not be closed: its number may be given away. */
  async #shut(): Promise<void> {
    this.#poll?.cancel();
    if (this.#reading || this.#writing) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
    }
    this.#queue.length = 0;
    await Promise.all([this.#interrupts?.close(), this.#parts.files.close()]);
  }
}
