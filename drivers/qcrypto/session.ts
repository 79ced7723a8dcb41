/** A session with a running qcrypto stack: its final-key files are the module's memory. */
import { type Clock, every, type Timer } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import { type BlockFacts, type BlockRef, KeyBlock } from "../../src/port/key.ts";
import type {
  LinkQuality,
  ModuleCommand,
  ModuleIdentity,
  ModuleSession,
  ModuleSink,
} from "../../src/port/module.ts";
import { Conditions } from "./conditions.ts";
import { type FileHeader, fileName } from "./file.ts";
import type { KeyFolder } from "./folder.ts";
import type { Gone } from "./gone.ts";
import type { Journal } from "./journal.ts";
import { Notices } from "./notices.ts";
import type { Notification } from "./notification.ts";
import { openSource } from "./open-source.ts";
import { Rates } from "./rates.ts";
import { Releases } from "./releases.ts";
import type { NotificationSource } from "./source.ts";
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
  readonly gone: Gone;
  readonly sink: ModuleSink;
  readonly clock: Clock;
  readonly log: Log;
}

export class QcryptoSession implements ModuleSession {
  readonly identity: ModuleIdentity;
  readonly ended: Promise<Error | undefined>;
  readonly #parts: SessionParts;
  readonly #notices: Notices;
  readonly #releases: Releases;
  readonly #rates = new Rates();
  #source: NotificationSource | undefined;
  #end!: (error: Error | undefined) => void;
  #over = false;
  #closing: Promise<void> | undefined;
  #credit = { blocks: 0, bytes: 0 };
  /** One thing at a time is done with the folder, in this order: remove, scan, read. */
  #working: Promise<void> | undefined;
  /** There is more to do than was known when it began. */
  #again = false;
  #removals: { readonly refs: readonly BlockRef[]; readonly discard: boolean }[] = [];
  /** Nothing is offered while files are destroyed. */
  #zeroizing = 0;
  readonly #conditions: Conditions;
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
    const { clock, told, journal, sink, log } = parts;
    this.#conditions = new Conditions({ sink, log, over: () => this.#over });
    this.#releases = new Releases(parts.folder, parts.stock, parts.gone);
    this.#notices = new Notices(told, journal, (one) => this.#notified(one));
    this.#timers = [every(clock, scanEvery, () => this.#scan())];
    this.#telemetryEach(telemetryEvery);
  }

  /**
   * Hears from now on what the stack says of its blocks.
   * @throws Fault `link.open`, `link.closed`
   */
  async listen(path: string): Promise<void> {
    const source = await openSource(path, (chunk) => this.#notices.push(chunk));
    this.#source = source;
    // Of what was said before, only what is of blocks that are still there matters.
    this.#notices.only = new Set(await this.#parts.folder.list());
    await source.past();
    this.#notices.only = undefined;
  }

  grant(blocks: number, bytes: number): void {
    this.#credit.blocks += blocks;
    this.#credit.bytes += bytes;
    this.#work();
  }

  release(refs: readonly BlockRef[]): void {
    this.#remove(refs, false);
  }

  discard(refs: readonly BlockRef[]): void {
    this.#remove(refs, true);
  }

  read(refs: readonly BlockRef[]): void {
    for (const { epoch, number } of refs) {
      const block = epoch === this.#parts.linkEpoch ? this.#parts.stock.get(number) : undefined;
      // What can't be used is looked at again, and told of again.
      if (block !== undefined) block.state = "waiting";
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
      framesBad: this.#notices.odd,
      framesResent: 0,
    };
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#finish(undefined);
      await this.#working;
      await this.#source?.close();
      await this.#notices.settled();
      await this.#parts.journal.settled();
      this.#parts.folder.close();
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
    const block = this.#parts.stock.get(notification.epoch);
    if (block !== undefined && notification.qber !== undefined) {
      block.said = notification;
      // The line came late: the gate may look at the block again.
      if (block.state === "offered" && block.unmeasured) block.state = "waiting";
    }
    this.#rates.add(notification, this.#parts.clock.now());
    this.#scan();
  }

  #scan(): void {
    this.#scanDue = true;
    this.#work();
  }

  #remove(refs: readonly BlockRef[], discard: boolean): void {
    if (this.#over || refs.length === 0) return;
    this.#removals.push({ refs, discard });
    this.#work();
  }

  /** Has the folder worked on, unless that is being done. */
  #work(): void {
    this.#again = true;
    if (this.#over || this.#zeroizing > 0 || this.#working !== undefined) return;
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
    while (!this.#over && this.#zeroizing === 0) {
      if (this.#removals.length > 0) await this.#removeAll();
      else if (this.#scanDue) await this.#list();
      else if (!(await this.#offer())) return;
    }
  }

  async #removeAll(): Promise<void> {
    const { stock, sink, linkEpoch } = this.#parts;
    const removals = this.#removals;
    this.#removals = [];
    const named = (discard: boolean) =>
      removals
        .flatMap((one) => (one.discard === discard ? one.refs : []))
        .filter(({ epoch, number }) => epoch === linkEpoch && number < 2 ** 32)
        .map(({ number }) => number);
    // What took the name of a block meanwhile is looked at as a block of its own.
    if (await this.#releases.remove(named(false), named(true))) this.#scanDue = true;
    if (!stock.anyReused) this.#conditions.ends("reference_reused", !stock.anyWaiting);
    this.#conditions.report(
      "releases_not_kept",
      this.#releases.trouble,
      "what was released is not kept in .released",
    );
    if (this.#over) return;
    for (const { refs } of removals) sink.released(refs);
  }

  async #list(): Promise<void> {
    const { folder, stock, told, journal, clock } = this.#parts;
    this.#scanDue = false;
    const before = journal.length;
    const known = told.full ? [...told.epochs()] : [];
    await this.#source?.drained();
    const epochs = await folder.list();
    stock.scanned(epochs, clock.now());
    const there = new Set(epochs);
    for (const epoch of known) if (!there.has(epoch)) told.forget(epoch);
    await journal.compact(there, before);
    if (told.spilled) await this.#seek();
    if (stock.closed.length === 0) this.#conditions.ends("file_unreadable", !stock.anyWaiting);
    this.#conditions.report(
      "notifications_not_kept",
      journal.trouble,
      "what the stack said is not kept in .notifications",
    );
    if (this.#source !== undefined && !(await this.#source.current())) {
      throw new Fault("link.closed", "notification pipe is gone");
    }
  }

  /** Has the journal say of blocks what is not remembered. */
  async #seek(): Promise<void> {
    const { stock, journal } = this.#parts;
    const blocks = stock.unsought();
    if (blocks.length === 0) return;
    const found = await journal.find(new Set(blocks.map(({ epoch }) => epoch)));
    for (const block of blocks) block.sought = true;
    for (const one of found) {
      const block = stock.get(one.epoch);
      if (block !== undefined) block.said = one;
    }
  }

  /** Offers the oldest block, if credit allows. @returns whether another may follow at once */
  async #offer(): Promise<boolean> {
    const { stock, folder, gone, clock } = this.#parts;
    if (this.#credit.blocks < 1) return false;
    const block = stock.next(clock.now());
    if (block === undefined) return false;
    // Its time is up, but the line may be there all the same: the node may have stood still.
    if (stock.said(block) === undefined) await this.#source?.drained();
    await this.#notices.settled();
    const found = await folder.read(block.epoch, this.#credit.bytes);
    if (this.#over || this.#zeroizing > 0) {
      if (found.kind === "key") found.bytes.fill(0);
      return false;
    }
    switch (found.kind) {
      case "key":
        block.bits = found.header.bits;
        block.digest = gone.digest(found.header.bits, found.bytes);
        if (gone.find(block.epoch, block.digest) !== "no")
          return this.#cameAgain(block, found.bytes);
        block.state = "offered";
        block.stamp = found.stamp;
        block.unmeasured = stock.said(block)?.qber === undefined;
        this.#credit.blocks--;
        this.#credit.bytes -= found.bytes.length;
        this.#blocksRead++;
        this.#bytesRead += found.bytes.length;
        this.#parts.sink.block(new KeyBlock(this.#facts(found.header, block), found.bytes));
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
      case "closed":
        block.state = "closed";
        block.closedAt = clock.now();
        this.#conditions.begins(
          "file_unreadable",
          "major",
          `${fileName(block.epoch)} ${found.why}`,
        );
        return true;
      case "bad":
        return this.#bad(block, found.why);
    }
  }

  /** A file has the name of a block that was let go of. */
  async #cameAgain(block: Candidate, bytes: Buffer): Promise<true> {
    const { gone, folder, stock, log } = this.#parts;
    bytes.fill(0);
    if (gone.find(block.epoch, block.digest) === "the same") {
      log.info("a released final-key file was there again", { number: block.epoch });
      await folder.remove([block.epoch]);
      stock.removed(block.epoch);
      return true;
    }
    this.#conditions.begins(
      "reference_reused",
      "critical",
      "another key has the name of one that was released",
    );
    this.#bad(block, "another key of this name was released before");
    block.state = "reused";
    return true;
  }

  #bad(block: Candidate, why: string): true {
    block.state = "bad";
    const ref = { epoch: this.#parts.linkEpoch, number: block.epoch };
    this.#parts.log.warn("final-key file cannot be used", { number: block.epoch, why });
    this.#parts.sink.damaged({ ref, bits: block.bits ?? 0 }, why);
    return true;
  }

  #facts({ epoch, epochs, bits }: FileHeader, block: Candidate): BlockFacts {
    const told = this.#parts.stock.said(block);
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
    this.#zeroizing++;
    while (this.#working !== undefined) await this.#working;
    const wiping = this.#releases.destroy();
    this.#working = wiping
      .catch(() => {})
      .finally(() => {
        this.#working = undefined;
      });
    try {
      await wiping;
    } catch (error) {
      throw new Fault("module.command", `zeroize: ${describe(error)}`);
    } finally {
      this.#zeroizing--;
      this.#scan();
    }
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
