/** A session with a running qcrypto stack: its final-key files are the module's memory. */
import { type Clock, every, type Timer } from "../../src/port/clock.ts";
import { describe, Fault } from "../../src/port/errors.ts";
import { type BlockFacts, type BlockRef, KeyBlock } from "../../src/port/key.ts";
import type { Log } from "../../src/port/log.ts";
import type {
  LinkQuality,
  ModuleCommand,
  ModuleIdentity,
  ModuleSession,
  ModuleSink,
} from "../../src/port/module.ts";
import type { FileHeader } from "./file.ts";
import type { KeyFolder } from "./folder.ts";
import type { Journal } from "./journal.ts";
import { type Notification, NotificationReader } from "./notification.ts";
import type { NotificationPipe } from "./pipe.ts";
import { Rates } from "./rates.ts";
import type { Candidate, Stock, Told } from "./stock.ts";

/** How often the folder is looked through, ms: what the pipe did not tell is seen then. */
const scanEvery = 500;
const telemetryEvery = 1_000;
/** An epoch of the stack, ms. */
const epochMs = 2 ** 29 / 1e6;

export interface SessionParts {
  readonly identity: ModuleIdentity;
  /** Epoch of the references, 16 hex digits. */
  readonly linkEpoch: string;
  readonly folder: KeyFolder;
  readonly stock: Stock;
  readonly told: Told;
  readonly journal: Journal;
  readonly sink: ModuleSink;
  readonly clock: Clock;
  readonly log: Log;
}

export class QcryptoSession implements ModuleSession {
  readonly identity: ModuleIdentity;
  readonly ended: Promise<Error | undefined>;
  readonly #parts: SessionParts;
  readonly #reader = new NotificationReader((one) => this.#notified(one));
  readonly #rates = new Rates();
  #pipe: NotificationPipe | undefined;
  #end!: (error: Error | undefined) => void;
  #over = false;
  #closing: Promise<void> | undefined;
  #credit = { blocks: 0, bytes: 0 };
  /** One thing at a time is done with the folder, in this order: remove, scan, read. */
  #working: Promise<void> | undefined;
  /** There is more to do than was known when it began. */
  #again = false;
  #removals: { readonly refs: readonly BlockRef[]; readonly done: () => void }[] = [];
  #scanDue = true;
  readonly #timers: Timer[];
  #telemetry: Timer | undefined;
  #blocksRead = 0;
  #bytesRead = 0;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const { clock } = parts;
    this.#timers = [every(clock, scanEvery, () => this.#scan())];
    this.#telemetryEach(telemetryEvery);
  }

  /** The pipe that tells of new blocks; its bytes go to {@link heard}. */
  attach(pipe: NotificationPipe): void {
    this.#pipe = pipe;
  }

  /** Bytes from the pipe. */
  heard(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  grant(blocks: number, bytes: number): void {
    this.#credit.blocks += blocks;
    this.#credit.bytes += bytes;
    this.#work();
  }

  release(refs: readonly BlockRef[]): void {
    this.#remove(refs);
  }

  discard(refs: readonly BlockRef[]): void {
    this.#remove(refs);
  }

  read(refs: readonly BlockRef[]): void {
    for (const { epoch, number } of refs) {
      const block = epoch === this.#parts.linkEpoch ? this.#parts.stock.get(number) : undefined;
      if (block?.state === "offered") block.state = "waiting";
    }
    this.#work();
  }

  async command(command: ModuleCommand): Promise<void> {
    const { name } = command;
    if (this.#over) throw new Fault("module.command", `${name}: session is over`);
    if (name === "telemetry_interval") {
      this.#telemetryEach(command.ms);
    } else if (name === "zeroize") {
      await this.#zeroize();
    } else {
      throw new Fault("module.command", `${name}: a qcrypto stack can't be told to`);
    }
  }

  quality(): LinkQuality {
    return {
      framesReceived: this.#blocksRead,
      framesSent: 0,
      bytesReceived: this.#bytesRead,
      bytesSent: 0,
      framesBad: this.#reader.odd,
      framesResent: 0,
    };
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#finish(undefined);
      await this.#working;
      await this.#parts.journal.settled();
      await this.#pipe?.close();
    })();
    return this.#closing;
  }

  #finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) timer.cancel();
    this.#telemetry?.cancel();
    this.#end(error);
    if (error !== undefined) void this.close();
  }

  #notified(notification: Notification): void {
    const { told, journal, clock } = this.#parts;
    told.add(notification);
    journal.add(notification);
    this.#rates.add(notification, clock.now());
    this.#scan();
  }

  #scan(): void {
    this.#scanDue = true;
    this.#work();
  }

  #remove(refs: readonly BlockRef[]): void {
    if (this.#over || refs.length === 0) return;
    const done = () => this.#parts.sink.released(refs);
    this.#removals.push({ refs, done });
    this.#work();
  }

  /** Has the folder worked on, unless that is being done. */
  #work(): void {
    this.#again = true;
    if (this.#over || this.#working !== undefined) return;
    this.#again = false;
    this.#working = this.#steps()
      .catch((error) => {
        const fault = error instanceof Fault ? error : new Fault("link.closed", describe(error));
        this.#finish(fault);
      })
      .finally(() => {
        this.#working = undefined;
        if (this.#again) this.#work();
      });
  }

  async #steps(): Promise<void> {
    while (!this.#over) {
      if (this.#removals.length > 0) await this.#removeAll();
      else if (this.#scanDue) await this.#list();
      else if (!(await this.#offer())) return;
    }
  }

  async #removeAll(): Promise<void> {
    const { folder, stock, linkEpoch } = this.#parts;
    const removals = this.#removals;
    this.#removals = [];
    const mine = removals.flatMap(({ refs }) => refs).filter(({ epoch }) => epoch === linkEpoch);
    const epochs = mine.map(({ number }) => number).filter((number) => number < 2 ** 32);
    await folder.remove(epochs);
    for (const epoch of epochs) stock.removed(epoch);
    if (this.#over) return;
    for (const { done } of removals) done();
  }

  async #list(): Promise<void> {
    const { folder, stock, clock } = this.#parts;
    this.#scanDue = false;
    stock.scanned(await folder.list(), clock.now());
    const pipe = this.#pipe;
    if (pipe !== undefined && !(await pipe.current())) {
      throw new Fault("link.closed", "notification pipe is gone");
    }
  }

  /** Offers the oldest block, if credit allows. @returns whether another may follow at once */
  async #offer(): Promise<boolean> {
    const { stock, folder, clock } = this.#parts;
    if (this.#credit.blocks < 1) return false;
    const block = stock.next(clock.now());
    if (block === undefined) return false;
    const found = await folder.read(block.epoch, this.#credit.bytes);
    if (this.#over) {
      if (found.kind === "key") found.bytes.fill(0);
      return false;
    }
    switch (found.kind) {
      case "key":
        block.bits = found.header.bits;
        block.state = "offered";
        this.#credit.blocks--;
        this.#credit.bytes -= found.bytes.length;
        this.#blocksRead++;
        this.#bytesRead += found.bytes.length;
        this.#parts.sink.block(new KeyBlock(this.#facts(found.header), found.bytes));
        return true;
      case "header":
        block.bits = found.header.bits;
        return false;
      case "gone":
        stock.missed(block.epoch);
        return true;
      case "incomplete":
        // It is looked at again when the folder is.
        if (stock.mayGrow(block, clock.now())) return false;
        return this.#bad(block, "file is incomplete");
      case "bad":
        return this.#bad(block, found.why);
    }
  }

  #bad(block: Candidate, why: string): true {
    block.state = "bad";
    const ref = { epoch: this.#parts.linkEpoch, number: block.epoch };
    this.#parts.log.warn("final-key file cannot be used", { number: block.epoch, why });
    this.#parts.sink.damaged({ ref, bits: block.bits ?? 0 }, why);
    return true;
  }

  #facts(header: FileHeader): BlockFacts {
    const { epoch, epochs, bits } = header;
    const told = this.#parts.told.get(epoch);
    return {
      ref: { epoch: this.#parts.linkEpoch, number: epoch },
      bits,
      ...(told?.qber !== undefined && { qber: told.qber }),
      ...(told?.siftedBits !== undefined && { siftedBits: told.siftedBits }),
      // The end of the last epoch: the same at both ends, whenever either came to it.
      generatedAt: Math.round((epoch + epochs) * epochMs),
    };
  }

  async #zeroize(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
    const { folder, stock } = this.#parts;
    const wiping = (async () => {
      const epochs = await folder.list();
      await folder.remove(epochs, true);
      for (const epoch of epochs) stock.removed(epoch);
    })();
    this.#working = wiping
      .catch(() => {})
      .finally(() => {
        this.#working = undefined;
        if (this.#again) this.#work();
      });
    await wiping.catch((error) => {
      throw new Fault("module.command", `zeroize: ${describe(error)}`);
    });
  }

  #telemetryEach(ms: number): void {
    this.#telemetry?.cancel();
    if (ms > 0) this.#telemetry = every(this.#parts.clock, ms, () => this.#measure());
  }

  #measure(): void {
    const { stock, clock, sink } = this.#parts;
    const values = { ...this.#rates.take(clock.now()), key_buffer_bits: stock.bits };
    sink.telemetry({ at: clock.wall(), values });
  }
}
