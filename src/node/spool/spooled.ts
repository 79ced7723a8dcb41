/**
 * A module behind an encrypted spool: what it hands over is on the node's disk before the module is
 * told to let go of it, and before anybody else sees it. To the rest of the node the two together are
 * a module that keeps its keys. For modules that cannot read a key twice, or hold too few of them.
 */
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LookedAt } from "../../base/looked-at.ts";
import { type BlockRef, blockName, type KeyBlock } from "../../port/key.ts";
import type {
  ModuleCommand,
  ModuleDriver,
  ModuleIdentity,
  ModuleSession,
  ModuleSink,
} from "../../port/module.ts";
import { Shutter } from "../custody/shutter.ts";
import { Spool, type Spooled, type SpoolOptions } from "./spool.ts";

/** Codes of what it tells of by itself. */
const [failing, foreign] = ["spool_failed", "spool_foreign"] as const;

/** A spool of blocks, opened when it is needed. */
export function spoolWhenNeeded(
  options: Omit<SpoolOptions, "key">,
  readKey: () => Buffer,
): () => Promise<Spool> {
  return whenNeeded((key) => Spool.open({ ...options, key }), readKey);
}

/**
 * Opens a spool once, when it is first needed; until that succeeds each call tries anew.
 * @param readKey read then, and wiped
 */
export function whenNeeded<T>(
  openWith: (key: Buffer) => Promise<T>,
  readKey: () => Buffer,
): () => Promise<T> {
  let opened: Promise<T> | undefined;
  const open = async () => {
    const key = readKey();
    try {
      return await openWith(key);
    } finally {
      key.fill(0);
    }
  };
  return () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
}

/** @param spool without it there is no session: what a module hands over must be safe */
export function spooled(driver: ModuleDriver, spool: () => Promise<Spool>, log: Log): ModuleDriver {
  const shutter = new Shutter(driver);
  return {
    kind: driver.kind,
    where: driver.where,
    inspect: () => shutter.inspect(),
    destroy: async () => (await spool()).zeroize(),
    shut: () => shutter.shut(),
    open: () => shutter.open(),
    async connect(sink, signal) {
      const session = new SpooledSession(await spool(), shutter, sink, log);
      session.begin(await shutter.connect(session.inner, signal));
      return session;
    },
  };
}

class SpooledSession implements ModuleSession {
  readonly #spool: Spool;
  /** Between this and the module's own session. */
  readonly #shutter: Shutter;
  readonly #sink: ModuleSink;
  readonly #log: Log;
  #session!: ModuleSession;
  #identity!: ModuleIdentity;
  /** What is to be offered, oldest first. */
  #backlog: Spooled[];
  /** What the node has room for. */
  readonly #credit = { blocks: 0, bytes: 0 };
  /** What of it the module was told, and has not used. */
  readonly #lent = { blocks: 0, bytes: 0 };
  /** Told to the module because the block is in the spool: custody did not ask for this release. */
  readonly #handedOver = new Set<string>();
  /** Blocks that wait to be spooled, or are. */
  readonly #inHand = new Set<KeyBlock>();
  /** File operations, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #over = false;
  #ended!: Promise<Error | undefined>;
  /** The spool could not be read just now, and ended the session. */
  #trouble: Error | undefined;
  /** Whether spooling fails, and whether there are blocks of another module, as this session knows by now. */
  readonly #seen = new LookedAt();

  constructor(spool: Spool, shutter: Shutter, sink: ModuleSink, log: Log) {
    this.#spool = spool;
    this.#shutter = shutter;
    this.#sink = sink;
    this.#log = log;
    this.#backlog = [...spool.blocks()];
  }

  /** What the module's own session tells. */
  get inner(): ModuleSink {
    return {
      block: (block) => {
        this.#inHand.add(block);
        void this.#then(() => this.#take(block).finally(() => this.#inHand.delete(block)));
      },
      damaged: (facts, why) => this.#sink.damaged(facts, why),
      released: (refs) => this.#released(refs),
      telemetry: (sample) => this.#sink.telemetry(sample),
      event: (event) => this.#sink.event(event),
      absent: (code) => this.#sink.absent(code),
    };
  }

  begin(session: ModuleSession): void {
    this.#session = session;
    const { identity } = session;
    const { newest } = identity;
    // What is in the spool is as old as what the module holds: it let go of that alone.
    const all = newest && newestOf([...newest, ...this.#backlog.map(({ ref }) => ref)]);
    this.#identity = all === undefined ? identity : { ...identity, newest: all };
    this.#ended = session.ended.then((error) => {
      this.#over = true;
      return this.#trouble ?? error;
    });
  }

  get identity(): ModuleIdentity {
    return this.#identity;
  }

  get ended(): Promise<Error | undefined> {
    return this.#ended;
  }

  grant(blocks: number, bytes: number): void {
    this.#credit.blocks += blocks;
    this.#credit.bytes += bytes;
    this.#then(() => this.#offer());
  }

  release(refs: readonly BlockRef[]): void {
    this.#forget(refs, (rest) => this.#session.release(rest));
  }

  discard(refs: readonly BlockRef[]): void {
    this.#forget(refs, (rest) => this.#session.discard(rest));
  }

  read(refs: readonly BlockRef[]): void {
    const [here, there] = this.#split(refs);
    if (there.length > 0) this.#session.read(there);
    const again = here.flatMap((ref) => this.#spool.get(ref) ?? []);
    this.#backlog = [...again, ...this.#backlog.filter((one) => !again.includes(one))];
    this.#then(() => this.#offer());
  }

  command(command: ModuleCommand): Promise<void> {
    return command.name === "zeroize" ? this.#zeroize(command) : this.#session.command(command);
  }

  /** The module does not wait for the disk; the spool is emptied whatever the module answers. */
  async #zeroize(command: ModuleCommand): Promise<void> {
    this.#shutter.shut();
    try {
      const told = this.#session.command(command);
      this.#backlog = [];
      for (const block of this.#inHand) block.wipe();
      const empty = () => this.#then(() => this.#spool.zeroize());
      const [answer] = await Promise.allSettled([told, empty()]);
      const [emptied] = await Promise.allSettled([empty()]);
      const failures = [answer, emptied].flatMap((one) =>
        one.status === "rejected" ? [one.reason] : [],
      );
      if (failures.length === 1) throw failures[0];
      if (failures.length > 1) {
        throw new Fault("state.io", failures.map(describe).join("; "));
      }
    } finally {
      this.#shutter.open();
    }
  }

  quality() {
    return this.#session.quality();
  }

  async close(): Promise<void> {
    this.#over = true;
    await this.#session.close();
    await this.#work;
  }

  /** A block came from the module. */
  async #take(block: KeyBlock): Promise<void> {
    const { ref, byteLength } = block;
    this.#lent.blocks--;
    this.#lent.bytes -= byteLength;
    if (this.#over) return block.wipe();
    // Wiped by `zeroize` while it waited, or below while it is written: its file is removed next.
    if (block.wiped) return this.#offer();
    const there = this.#spool.get(ref) !== undefined;
    try {
      await this.#spool.store(block, this.identity.moduleId);
      if (block.wiped) return this.#offer();
      this.#handedOver.add(blockName(ref));
      this.#session.release([ref]);
      this.#recovered();
    } catch (error) {
      if (block.wiped) return this.#offer();
      // It is supplied from memory all the same, and the module keeps it if it can.
      this.#failed(error);
      if (this.#over) return block.wipe();
      return this.#give(block);
    }
    const fits = this.#credit.blocks >= 1 && this.#credit.bytes >= byteLength;
    if (!there && fits && this.#backlog.length === 0 && !this.#over) {
      this.#give(block);
      return this.#offer();
    }
    block.wipe();
    // Where it was there before, the module had not heard that it may let go of it.
    if (!there) this.#backlog.push(...[this.#spool.get(ref)].flatMap((one) => one ?? []));
    return this.#offer();
  }

  #give(block: KeyBlock): void {
    this.#credit.blocks--;
    this.#credit.bytes -= block.byteLength;
    this.#sink.block(block);
  }

  /** Offers what is in the spool; the module is lent whatever credit is left then. */
  async #offer(): Promise<void> {
    for (;;) {
      const next = this.#backlog[0];
      if (next === undefined) this.#noForeign();
      if (next === undefined || this.#over) break;
      if (this.#credit.blocks < 1) return;
      const block = await this.#load(next);
      if (this.#over || this.#backlog[0] !== next) {
        block?.wipe();
        continue;
      }
      if (block !== undefined && block.byteLength > this.#credit.bytes) return block.wipe();
      this.#backlog.shift();
      if (block !== undefined) this.#give(block);
    }
    if (!this.#over) this.#lend();
  }

  #lend(): void {
    const most = {
      // While nothing can be spooled there is one block at a time, to see whether it can again.
      blocks: this.#seen.isOn(failing) ? Math.min(1, this.#credit.blocks) : this.#credit.blocks,
      bytes: Math.min(this.#credit.bytes, this.#spool.room),
    };
    const blocks = Math.max(0, most.blocks - this.#lent.blocks);
    const bytes = Math.max(0, most.bytes - this.#lent.bytes);
    if (blocks === 0 && bytes === 0) return;
    this.#lent.blocks += blocks;
    this.#lent.bytes += bytes;
    this.#session.grant(blocks, bytes);
  }

  async #load(one: Spooled): Promise<KeyBlock | undefined> {
    try {
      const block = await this.#spool.load(one, this.identity.moduleId);
      const gone = this.#spool.get(one.ref) !== one;
      if (block === undefined && !gone) this.#isForeign(one);
      return block;
    } catch (error) {
      this.#log.error(`spool: ${describe(error)}`, facts(one));
      if (isPassing(error)) {
        // The next session reads it again; recorded as damaged it would be kept back at this end alone.
        // The module's own session ends with it, or its port would be held against the next one.
        this.#over = true;
        this.#trouble = error;
        void this.#session.close();
        return undefined;
      }
      this.#sink.damaged({ ref: one.ref, bits: 0 }, "spooled block can't be read");
      return undefined;
    }
  }

  /** It waits for the module that it is of. */
  #isForeign(one: Spooled): void {
    this.#log.warn("spool: a block of another module", facts(one));
    if (this.#seen.look(foreign, true) === undefined) return;
    const text = "the spool has blocks of another module: they wait for that";
    this.#sink.event({ code: foreign, severity: "major", text });
  }

  /** Another session may have told of some that are released meanwhile. */
  #noForeign(): void {
    if (this.#over || this.#seen.isKnown(foreign)) return;
    this.#seen.look(foreign, false);
    this.#sink.absent(foreign);
  }

  #forget(refs: readonly BlockRef[], elsewhere: (refs: readonly BlockRef[]) => void): void {
    const [here, there] = this.#split(refs);
    if (there.length > 0) elsewhere(there);
    if (here.length === 0) return;
    this.#backlog = this.#backlog.filter(({ ref }) => !here.some((one) => same(one, ref)));
    this.#then(async () => {
      for (const ref of here) await this.#spool.remove(ref);
      if (!this.#over) this.#sink.released(here);
      await this.#offer();
    });
  }

  /** Which of the blocks are in the spool, and which are not. */
  #split(refs: readonly BlockRef[]): [BlockRef[], BlockRef[]] {
    const here = refs.filter((ref) => this.#spool.get(ref) !== undefined);
    return [here, refs.filter((ref) => !here.includes(ref))];
  }

  #released(refs: readonly BlockRef[]): void {
    const asked = refs.filter((ref) => !this.#handedOver.delete(blockName(ref)));
    if (asked.length > 0) this.#sink.released(asked);
  }

  #then(act: () => Promise<void>): Promise<void> {
    const done = this.#work.then(act);
    this.#work = done.catch((error: unknown) => this.#failed(error));
    return done;
  }

  #failed(error: unknown): void {
    if (this.#seen.look(failing, true) === undefined) return;
    this.#log.error(describe(error));
    const text = "keys cannot be spooled: no more are read";
    this.#sink.event({ code: failing, severity: "major", text });
  }

  #recovered(): void {
    const change = this.#seen.look(failing, false);
    // A session before may have told that they could not be.
    if (change === "absent") this.#sink.absent(failing);
    if (change !== "ends") return;
    this.#sink.event({ code: failing, severity: "cleared", text: "keys are spooled again" });
  }
}

/** Whether nothing is known of what is in the file. */
function isPassing(error: unknown): error is Fault {
  return error instanceof Fault && error.code !== "state.corrupt";
}

/** The newest of each epoch. */
function newestOf(refs: readonly BlockRef[]): BlockRef[] {
  const newest = new Map<string, BlockRef>();
  for (const ref of refs) {
    if ((newest.get(ref.epoch)?.number ?? -1) < ref.number) newest.set(ref.epoch, ref);
  }
  return [...newest.values()];
}

function same(a: BlockRef, b: BlockRef): boolean {
  return a.epoch === b.epoch && a.number === b.number;
}

function facts({ ref }: Spooled): { block: string } {
  return { block: blockName(ref) };
}
