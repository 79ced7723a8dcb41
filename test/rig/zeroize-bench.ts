/**
 * A channel with a spool on a disk that can fail, the node's mark of what is to be zeroized on the same
 * disk, and a module whose blocks are on the line while it is told.
 */

import { ms } from "../../src/base/duration.ts";
import { Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { Channel } from "../../src/node/module/channel.ts";
import { Halt } from "../../src/node/module/halt.ts";
import { PanelGuard } from "../../src/node/panel/guard.ts";
import { Spool } from "../../src/node/spool/spool.ts";
import { spooled, spoolWhenNeeded } from "../../src/node/spool/spooled.ts";
import { openState } from "../../src/node/state/state.ts";
import { StateStore } from "../../src/node/state/store.ts";
import { type BlockRef, KeyBlock, keyMemory } from "../../src/port/key.ts";
import type { ModuleDriver, ModuleSession, ModuleSink } from "../../src/port/module.ts";
import { ManualClock, settle } from "../clock.ts";
import { Disk, PowerCut } from "../faults/disk.ts";
import { random } from "../random.ts";
import { someIdentity } from "./identity.ts";

const epoch = "00112233aabbccdd";
const secret = Buffer.alloc(32, 9);
const folder = "/state/spool-alice";

/** A module that a test plays: it has blocks, and some are on the line. */
export class LineModule {
  /** Numbers of the blocks that it holds. */
  held: number[] = [];
  readonly told: string[] = [];
  /** Every block that it put on the line, as the node has it. */
  readonly sent: KeyBlock[] = [];
  /** Blocks that arrive between the command and its answer. */
  onTheLine: number[] = [];
  /** What it does when told to zeroize. */
  answer: "done" | "refused" | "silent" | "pending" = "done";
  /** It hands each block over once. */
  once = false;
  connected = true;
  #sink: ModuleSink | undefined;
  #offered = new Set<number>();
  #credit = { blocks: 0, bytes: 0 };
  #end: ((error: Error) => void) | undefined;

  readonly driver: ModuleDriver = {
    kind: "line",
    where: "nowhere",
    connect: async (sink) => {
      if (!this.connected) throw new Fault("link.open", "unplugged");
      this.#sink = sink;
      this.#offered.clear();
      this.#credit = { blocks: 0, bytes: 0 };
      const { promise: ended, resolve } = Promise.withResolvers<Error | undefined>();
      this.#end = resolve;
      const session: ModuleSession = {
        identity: someIdentity,
        ended,
        grant: (blocks, bytes) => {
          this.#credit.blocks += blocks;
          this.#credit.bytes += bytes;
          queueMicrotask(() => this.give());
        },
        release: (refs) => this.#gone(refs),
        discard: (refs) => this.#gone(refs),
        read: (refs) => {
          for (const { number } of refs) this.#offered.delete(number);
          queueMicrotask(() => this.give());
        },
        command: ({ name }) => this.#command(name),
        quality: () => ({}) as ReturnType<ModuleSession["quality"]>,
        close: async () => {
          this.#sink = undefined;
          resolve(undefined);
        },
      };
      return session;
    },
  };

  /** Credit that it has left. */
  get credit(): { readonly blocks: number; readonly bytes: number } {
    return this.#credit;
  }

  unplug(): void {
    this.connected = false;
    this.#sink = undefined;
    this.#end?.(new Fault("link.closed", "unplugged"));
  }

  /** Sends what it holds, as far as credit goes. */
  give(): void {
    for (const number of this.held) {
      if (this.#sink === undefined || this.#credit.blocks < 1) return;
      if (!this.#offered.has(number)) this.#send(number);
    }
  }

  #send(number: number): void {
    const bytes = keyMemory(32).fill(number);
    this.#offered.add(number);
    this.#credit.blocks--;
    this.#credit.bytes -= bytes.length;
    if (this.once) this.held = this.held.filter((one) => one !== number);
    const block = new KeyBlock({ ref: { epoch, number }, bits: 256, qber: 0.02 }, bytes);
    if (this.#sink === undefined) return;
    this.sent.push(block);
    this.#sink.block(block);
  }

  #gone(refs: readonly BlockRef[]): void {
    this.held = this.held.filter((number) => !refs.some((ref) => ref.number === number));
    queueMicrotask(() => this.#sink?.released(refs));
  }

  async #command(name: string): Promise<void> {
    this.told.push(name);
    const destroyed = this.answer === "done";
    await settle();
    for (const number of this.onTheLine.splice(0)) {
      if (!destroyed && !this.once) this.held.push(number);
      this.#send(number);
    }
    if (this.answer === "pending") await new Promise(() => {});
    if (this.answer === "refused") throw new Fault("module.command", "module answered: failed");
    if (this.answer === "silent") throw new Fault("module.command", "zeroize: no answer");
    this.held = [];
    await settle();
  }
}

export class ZeroizeBench {
  readonly module = new LineModule();
  readonly clock = new ManualClock();
  readonly alarms: string[] = [];
  disk = new Disk();
  channel!: Channel;
  guard!: PanelGuard;
  halt!: Halt;
  /** Whether there is a spool. */
  readonly #spool: boolean;

  private constructor(spool: boolean) {
    this.#spool = spool;
  }

  static async open(spool: boolean): Promise<ZeroizeBench> {
    const bench = new ZeroizeBench(spool);
    await bench.start();
    return bench;
  }

  /** The node starts on what the disk has. */
  async start(): Promise<void> {
    const { clock, disk } = this;
    const state = new StateStore(await openState(disk, "/state"));
    const ledger = await LedgerFile.open(disk, "/state/ledger-alice", silentLog, { clock });
    this.halt = new Halt();
    this.guard = new PanelGuard(undefined, {
      state,
      halt: this.halt,
      alarms: {
        tampered: () => {},
        tamperCleared: () => {},
        panelLost: () => {},
        zeroized: (module, detail) => this.alarms.push(`zeroized.${module} ${detail}`),
      },
      clock,
      random: () => 0,
      log: silentLog,
      onEvent: () => {},
      onChange: () => {},
      health: () => "ok",
      supplying: () => true,
    });
    const key = () => Buffer.from(secret);
    const spool = spoolWhenNeeded({ files: disk, folder, maxBytes: 1e6 }, key);
    // One node has the module: the one before is dead.
    const powered = () => this.disk === disk;
    const driver: ModuleDriver = {
      ...this.module.driver,
      connect: async (sink, signal) => {
        if (!powered()) throw new Fault("link.open", "no power");
        return this.module.driver.connect(sink, signal);
      },
    };
    this.channel = new Channel(
      {
        name: "alice",
        moduleId: undefined,
        matchingModuleId: undefined,
        qberLimit: 0.11,
        keyBits: 256,
        onRequest: true,
        maxHeldBlocks: 8,
        maxHeldBytes: 1_024,
        kms: [
          {
            name: "km",
            serverName: "km",
            endpoint: () => {
              throw new Fault("kq1.connect", "KMs of this bench connect themselves");
            },
            https: { path: "/", connections: 1 },
            window: 1,
            answerTimeout: ms(1_000),
          },
        ],
      },
      {
        driver: this.#spool ? spooled(driver, spool, silentLog) : driver,
        ledger,
        clock,
        log: silentLog,
        random: () => 0,
        halt: this.halt,
        onEvent: () => {},
        onState: () => {},
        onLink: (name, km, down) => {
          if (km === undefined) this.guard.moduleLink(name, down);
        },
      },
    );
    this.guard.start([this.channel]);
    this.channel.start();
    await this.quiet();
  }

  /** Everything happens that is to happen soon. */
  async quiet(): Promise<void> {
    for (let i = 0; i < 30; i++) await this.clock.advance(20);
  }

  /** Node and module lose their power at operation `n` of the disk from now on; the disk with them. */
  cutAt(n: number): void {
    const start = this.disk.operations;
    this.disk.trouble = (operation) => {
      if (operation !== start + n) return undefined;
      this.module.unplug();
      return new PowerCut();
    };
  }

  /** The power is back, and the node starts again. @param seed of what is torn */
  async powerBack(seed: number): Promise<void> {
    const before = this.disk;
    before.dead = true;
    this.module.unplug();
    this.channel.abandon();
    await this.guard.stop();
    this.module.connected = true;
    this.disk = before.afterPowerCut(random(seed));
    await this.start();
  }

  /** Blocks in the node's memory. */
  get inMemory(): number {
    return this.channel.supply().held_blocks as number;
  }

  /** Numbers of the blocks in the spool, as another process would find them. */
  async onDisk(): Promise<number[]> {
    const spool = await Spool.open({ files: this.disk, folder, key: secret, maxBytes: 1e6 });
    return [...spool.blocks()].map(({ ref }) => ref.number);
  }

  async close(): Promise<void> {
    this.disk.trouble = () => undefined;
    const stopped = this.channel.stop();
    await this.quiet();
    await stopped;
    await this.guard.stop();
  }
}
