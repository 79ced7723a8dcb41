/**
 * The life of a node's custody, ledger and small state on a disk that fails: a module that keeps what
 * was not released, a KM that keeps what it said yes to, and between them a node that dies and starts
 * again. Deterministic: the same seed and the same trouble give the same story.
 */
import { createHash } from "node:crypto";
import { silentLog } from "../../src/base/log.ts";
import { backoff } from "../../src/base/retry.ts";
import { Custody } from "../../src/node/custody/custody.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { recoverLedger } from "../../src/node/module/recover-ledger.ts";
import { openState } from "../../src/node/state/state.ts";
import { blockName } from "../../src/port/key.ts";
import { ManualClock, settle } from "../clock.ts";
import { random } from "../random.ts";
import { Km, Module } from "../rig/custody-bench.ts";
import type { Disk } from "./disk.ts";

const keyBits = 128;
/** One to twenty-one keys: what is recorded of a block may be more than a sector of the disk. */
const bitsOf = (number: number) => keyBits * (1 + (number % 3) * 10);
const steady = () => backoff({ firstMs: 100, maxMs: 1_000, jitter: 0, random: () => 0 });

/** Little room at a time, so that it runs out often. */
const openLedger = (disk: Disk) =>
  LedgerFile.open(disk, "/state/ledger", silentLog, {
    reserveBytes: 448,
    groupRecords: 7,
    compactAbove: 20,
  });

/** What blocks were made of before, hex by number: a campaign tells thousands of stories of the same few. */
const contents = new Map<number, string>();

/** Bytes of a block that no other block has, nor any piece of one; hex. */
function content(number: number): string {
  const known = contents.get(number);
  if (known !== undefined) return known;
  const bits = bitsOf(number);
  let made = "";
  for (let at = 0; at < bits; at += 256) {
    made += createHash("sha256").update(`${number} ${at}`).digest("hex");
  }
  made = made.slice(0, Math.ceil(bits / 8) * 2);
  contents.set(number, made);
  return made;
}

/** What is not the node and outlives it. */
export class World {
  readonly module = new Module();
  /** What the KM has, hex by ID. */
  readonly stored = new Map<string, string>();
  /** Boot counters that the node worked under. */
  readonly boots: number[] = [];
  /** What should never be, in words. */
  readonly broken: string[] = [];
  /** Starts that failed though the disk did its work. */
  failedStarts = 0;
  readonly draw: () => number;
  #next = 0;
  readonly #total: number;

  constructor(seed: number, blocks: number) {
    this.draw = random(seed);
    this.#total = blocks;
  }

  get exhausted(): boolean {
    return this.#next === this.#total;
  }

  /** The module distils a block; some are beyond the quality gate. */
  distil(): void {
    if (this.exhausted) return;
    const number = this.#next++;
    const bits = bitsOf(number);
    const more = number % 7 === 6 ? { qber: 0.3 } : {};
    this.module.add(number, bits, more, Buffer.from(content(number), "hex"));
  }

  /** The KM takes the oldest key it was given; `answers`: and says so. */
  take(km: Km, answers: boolean): void {
    const key = km.outstanding[0];
    if (key === undefined) return;
    const known = this.stored.get(key.id);
    if (known !== undefined && known !== key.content) this.broken.push("one ID, two contents");
    this.stored.set(key.id, key.content);
    if (answers) km.answer("success");
  }

  /** What must hold at any time. */
  check(): void {
    const contents = new Set(this.stored.values());
    if (contents.size !== this.stored.size) this.broken.push("one content, two IDs");
    for (const name of this.module.released) {
      const number = Number(name.split("/")[1]);
      const hex = content(number);
      for (let at = 0; at < hex.length; at += keyBits / 4) {
        if (!contents.has(hex.slice(at, at + keyBits / 4))) {
          this.broken.push(`block ${number} was released and the KM lacks a key of it`);
        }
      }
    }
    if (this.boots.some((boot, i) => i > 0 && boot <= (this.boots[i - 1] as number))) {
      this.broken.push("a boot counter came twice");
    }
  }

  /** What must hold in the end: nothing is left but what the quality gate holds back. */
  checkEnd(ledger: LedgerFile): void {
    this.check();
    for (const { facts } of this.module.blocks.values()) {
      if (ledger.get(blockName(facts.ref))?.state !== "withheld") {
        this.broken.push(`block ${facts.ref.number} was left behind`);
      }
    }
  }
}

export interface Life {
  /** The story came to its end; else the power failed, or the node could not start. */
  readonly finished: boolean;
}

/** One process: starts on the disk, works until the story is over or the power fails. */
export async function live(world: World, disk: Disk): Promise<Life> {
  const clock = new ManualClock();
  let ledger: LedgerFile;
  const before = disk.troubles;
  try {
    const state = await openState(disk, "/state");
    world.boots.push(state.data.boot);
    ledger = await openLedger(disk);
  } catch {
    if (disk.troubles === before) world.failedStarts++;
    return { finished: false };
  }
  const custody = new Custody(
    { qberLimit: 0.11, keyBits, maxHeldBlocks: 5, maxHeldBytes: 65_536 },
    { ledger, clock, log: silentLog, backoff: steady, onEvent: () => {} },
  );
  const stopMending = recoverLedger({
    ledger,
    schedule: steady,
    clock,
    onFailed: () => {},
    onMended: () => custody.resume(),
  });
  let km: Km | undefined;
  const connectKm = () => {
    km = new Km(custody, 40);
    km.onSupply = () => {
      if (ledger.failure !== undefined) world.broken.push("a key was supplied that no one records");
    };
    custody.kmUp(km);
  };
  const dropKm = () => {
    // The KM may have stored what it never answered for.
    if (km !== undefined && world.draw() < 0.5) world.take(km, false);
    custody.kmDown();
    km = undefined;
  };
  world.module.connect(custody);
  connectKm();
  const idle = () => world.exhausted && [...world.module.blocks.values()].every((b) => b.offered);
  let quiet = 0;
  while (!disk.dead && quiet < 8) {
    const way = world.draw();
    if (way < 0.15) world.distil();
    else if (way < 0.2 && km !== undefined) dropKm();
    else if (km === undefined) connectKm();
    else for (let i = way < 0.5 ? 1 : 30; i > 0; i--) world.take(km, true);
    world.module.offer();
    await settle();
    await clock.advance(way < 0.3 ? 1_000 : 0);
    world.check();
    const waiting = km?.outstanding.length !== 0 || ledger.failure !== undefined;
    quiet = idle() && !waiting ? quiet + 1 : 0;
  }
  stopMending();
  custody.wipe();
  world.module.disconnect();
  await ledger.close();
  if (disk.dead) return { finished: false };
  disk.trouble = () => undefined;
  world.checkEnd(await openLedger(disk));
  return { finished: true };
}
