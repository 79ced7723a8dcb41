/** One end of a story: its disk, its custody, and the life that it has now. */

import type { BatchFacts } from "../../../drivers/etsi014/batch.ts";
import { Books } from "../../../drivers/etsi014/books.ts";
import { Caution } from "../../../drivers/etsi014/caution.ts";
import { Follower } from "../../../drivers/etsi014/follower.ts";
import { Leader } from "../../../drivers/etsi014/leader.ts";
import type { End } from "../../../drivers/etsi014/parts.ts";
import { Shelf } from "../../../drivers/etsi014/shelf.ts";
import { every, type Timer } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import type { FileSystem } from "../../../src/host/disk/files.ts";
import { Batches } from "../../../src/node/spool/batches.ts";
import type { BatchSpool } from "../../../src/port/batch-spool.ts";
import { type BlockRef, blockName, type KeyBlock } from "../../../src/port/key.ts";
import type { ManualClock } from "../../clock.ts";
import { Disk, systemError } from "../../faults/disk.ts";
import type { SimKmes } from "./kmes.ts";
import { type Plant, plants, type Side } from "./plants.ts";

export interface EndWorld {
  readonly draw: () => number;
  readonly clock: ManualClock;
  readonly kmes: SimKmes;
  readonly plant: Plant | undefined;
  readonly broken: (what: string) => void;
  readonly mark: (what: string) => void;
  /** A life is over: no connection outlives it. */
  readonly over: () => void;
}

/** One life of the driver: from a start of the node to its end. */
interface Life {
  alive: boolean;
  readonly shelf: Shelf;
  readonly end: End;
  readonly timers: Timer[];
}

const folder = "/spool";

export class SimEnd {
  readonly side: Side;
  readonly #world: EndWorld;
  disk = new Disk();
  life: Life | undefined;
  other!: SimEnd;
  /** key_IDs that were on this end's disk, safely. */
  readonly had = new Set<string>();
  /** Reference → key_ID, and back, of what was offered. */
  readonly offered = new Map<string, string>();
  readonly refs = new Map<string, string>();
  /** What custody has, and what it let go of. */
  readonly #held = new Map<string, BlockRef>();
  readonly #delivered = new Set<string>();
  readonly #past = new Set<string>();
  /** Power failed: what was removed may be there again. */
  #cut = false;
  events: string[] = [];

  constructor(side: Side, world: EndWorld) {
    this.side = side;
    this.#world = world;
  }

  async start(): Promise<void> {
    if (this.life !== undefined) return;
    const { clock, kmes, draw, plant } = this.#world;
    const key = Buffer.alloc(32, 5);
    let spool: BatchSpool;
    try {
      spool = await Batches.open({ files: this.#files(), folder, key, maxBytes: 1_000_000 });
    } catch {
      return;
    }
    const tracked = this.#tracked(spool);
    const shelf = new Shelf(
      plant === undefined ? tracked : plants[plant](this.side, tracked),
      {
        block: (block) => this.#block(life, block),
        damaged: () => this.#world.mark("damaged"),
        released: (refs) => this.#released(refs),
        telemetry: () => {},
        absent: () => {},
        event: () => {},
      },
      clock,
    );
    const parts = {
      shelf,
      kme: kmes.of(this.side === "leader" ? 0 : 1, () => life.alive),
      clock,
      log: silentLog,
      books: new Books(clock, 0.01),
      outOfStep: (why: string | undefined) => {
        if (why !== undefined) this.events.push("ends_out_of_step");
      },
      fail: () => void this.#failed(life),
    };
    const leader =
      this.side === "leader"
        ? new Leader(parts, {
            batch: 8,
            keyBits: undefined,
            gather: 50,
            random: () => Math.floor(draw() * 0x10000),
            qber: () => undefined,
            dry: () => {},
            caution: new Caution(clock, draw),
          })
        : undefined;
    const end: End = leader ?? new Follower(parts, { patience: 2_000, keySize: () => 256 });
    const life: Life = { alive: true, shelf, end, timers: [] };
    shelf.onFailure = () => void this.#failed(life);
    this.life = life;
    this.#held.clear();
    try {
      await shelf.load();
    } catch {
      return this.die();
    }
    if (!life.alive) return;
    end.began();
    life.timers.push(every(clock, 1_000, () => life.alive && end.tick()));
    if (leader !== undefined) {
      const poll = async () => {
        const status = await parts.kme.status().catch(() => undefined);
        if (status !== undefined && life.alive) leader.stock(status);
      };
      life.timers.push(every(clock, 300, () => void poll()));
    }
    this.grant(40);
  }

  grant(blocks: number): void {
    if (this.life?.alive) this.life.shelf.grant(blocks, blocks * 128);
  }

  /** The KM has them: some of what custody has is let go of. */
  release(part: number): void {
    const refs = [...this.#held.values()].filter(() => this.#world.draw() < part);
    for (const ref of refs) {
      this.#held.delete(blockName(ref));
      this.#delivered.add(blockName(ref));
    }
    if (refs.length === 0 || !this.life?.alive) return;
    this.life.shelf.release(refs);
    this.grant(refs.length);
  }

  /** The process is gone; what it wrote is there. */
  kill(): void {
    const disk = new Disk();
    for (const [path, content] of this.disk.files(folder)) disk.put(path, Buffer.from(content));
    this.disk.dead = true;
    this.disk = disk;
    this.die();
  }

  powerCut(): void {
    this.#cut = true;
    this.disk = this.disk.afterPowerCut(this.#world.draw);
    this.die();
  }

  async stop(): Promise<void> {
    const { life } = this;
    if (life === undefined) return;
    await this.#close(life);
  }

  die(): void {
    const { life } = this;
    if (life === undefined) return;
    life.alive = false;
    for (const timer of life.timers) timer.cancel();
    this.life = undefined;
    this.#world.over();
  }

  failDisk(): void {
    const from = this.disk.operations + 1 + Math.floor(this.#world.draw() * 6);
    this.disk.trouble = (n) => (n >= from && n < from + 3 ? systemError("EIO") : undefined);
  }

  /** Names of what is on the disk, but for what says which key it is. */
  files(): string[] {
    return [...this.disk.files(folder).keys()].filter((name) => !name.endsWith("/key-check"));
  }

  #files(): FileSystem {
    const { disk } = this;
    if (this.#world.plant !== "a sync is left out") return disk;
    return {
      open: async (path, flags) => ({
        ...(await disk.open(path, flags)),
        datasync: async () => {},
      }),
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      list: (path) => disk.list(path),
      makeFolder: () => disk.makeFolder(),
      syncFolder: () => disk.syncFolder(),
    };
  }

  async #failed(life: Life): Promise<void> {
    if (this.life !== life) return;
    this.#world.mark("session failed");
    await this.#close(life);
  }

  async #close(life: Life): Promise<void> {
    for (const timer of life.timers) timer.cancel();
    const closing = (async () => {
      await life.end.close();
      await life.shelf.close();
    })();
    // What it waits for may be killed meanwhile.
    const late = new Promise<void>((resolve) => this.#world.clock.after(3_000, resolve));
    await Promise.race([closing, late]);
    if (this.life === life) this.die();
  }

  #tracked(spool: BatchSpool): BatchSpool {
    const note = (facts: BatchFacts) =>
      facts.keys.forEach(({ id }, place) => {
        if (facts.state !== "open" && !facts.lost.includes(place)) this.had.add(id);
      });
    return {
      list: () => spool.list(),
      get room() {
        return spool.room;
      },
      put: async (first, facts, key) => {
        await spool.put(first, facts, key);
        note(facts as BatchFacts);
      },
      get: (first) => spool.get(first),
      remove: (first) => spool.remove(first),
      zeroize: () => spool.zeroize(),
    };
  }

  #released(refs: readonly BlockRef[]): void {
    for (const ref of refs) this.#past.add(blockName(ref));
  }

  #block(life: Life, block: KeyBlock): void {
    const { facts, byteLength } = block;
    const bytes = Buffer.from(block.expose());
    block.wipe();
    if (!life.alive) return;
    const name = blockName(facts.ref);
    const id = facts.uuid ?? "";
    this.#judge(name, id, bytes);
    if (this.#past.has(name) && !this.#cut) {
      this.#world.broken(`${this.side}: ${name} is offered after it was told to be gone`);
    }
    if (this.#delivered.has(name)) {
      // The ledger knows that the KM has it.
      this.#world.mark("offered again after its release");
      queueMicrotask(() => {
        if (!life.alive) return;
        life.shelf.release([facts.ref]);
        life.shelf.grant(1, byteLength);
      });
      return;
    }
    this.#held.set(name, facts.ref);
  }

  #judge(name: string, id: string, bytes: Buffer): void {
    const { kmes, broken, mark } = this.#world;
    const key = kmes.keys.get(id);
    const at = this.side;
    if (key === undefined) return broken(`${at}: a key that no KME has made`);
    if (!key.bytes.equals(bytes)) broken(`${at}: ${name} has other bytes than its KME handed over`);
    if (key.given[at === "leader" ? 0 : 1] === 0)
      broken(`${at}: ${name} was never handed over here`);
    const known = this.offered.get(name);
    if (known !== undefined && known !== id) broken(`${at}: ${name} is two keys`);
    const ref = this.refs.get(id);
    if (ref !== undefined && ref !== name) broken(`${at}: one key under ${ref} and ${name}`);
    const there = this.other.refs.get(id);
    if (there !== undefined && there !== name) broken(`${id} is ${name} here and ${there} there`);
    if (!this.other.had.has(id))
      broken(`${at}: ${name} is offered, and the other end never had it`);
    if (known === undefined) mark("offered");
    this.offered.set(name, id);
    this.refs.set(id, name);
  }
}
