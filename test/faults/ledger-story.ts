/**
 * The life of a ledger alone, with entries of every kind in any order, on a disk that fails, under a
 * process that is killed and started again. What is read at a start must be all that was appended up
 * to some entry: none that was called durable may be missing. Deterministic.
 */

import { describe, Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import type { FileSystem, OpenFile } from "../../src/host/disk/files.ts";
import { type LedgerEntry, type ModulePair, withheldReasons } from "../../src/node/keys/ports.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { LedgerIndex } from "../../src/node/ledger/ledger-index.ts";
import { pairId } from "../../src/node/ledger/pairs.ts";
import { settle } from "../clock.ts";
import { random } from "../random.ts";
import type { Disk } from "./disk.ts";

/** What a ledger may have been told. */
interface History {
  readonly entries: readonly LedgerEntry[];
  /** So many of them it has for certain. */
  readonly durable: number;
  /** All that they lead to, as text. */
  readonly all?: string;
}

/** More beginnings than these are not told apart by a few entries. */
const mostHistories = 64;

const path = "/state/ledger";
const epochs = ["00112233aabbccdd", "8899aabbccddeeff"] as const;
const numbers = 8;
/** Cuts reach further: one that begins no new stretch says nothing. */
const cutNumbers = 40;
const keyIds = ["1", "2", "3"].map((n) => `84dec66a-1dda-8876-bf0f-2f4a0d1b3c5${n}`);
const claimants = ["1".repeat(32), "2".repeat(32)];

const pairs = [
  { moduleId: "QKD-A", matchingModuleId: "QKD-B" },
  { moduleId: "QKD-A", matchingModuleId: "" },
];

type Draw = () => number;

function pick<T>(draw: Draw, items: readonly T[]): T {
  return items[Math.floor(draw() * items.length)] as T;
}

/** Each kind, about few things, so that entries meet; more of the kinds whose order matters most. */
const makers: readonly ((draw: Draw) => LedgerEntry | LedgerEntry[])[] = [
  cut,
  cut,
  cut,
  freed,
  freed,
  (draw) => ({
    kind: "assigned",
    ref: refOf(draw),
    keyId: pick(draw, keyIds),
    offset: 256 * Math.floor(draw() * 3),
    length: 256,
    claimant: pick(draw, claimants),
  }),
  (draw) => ({ kind: "delivered", ref: refOf(draw), keyId: pick(draw, keyIds) }),
  (draw) => ({ kind: "delivered_to", ref: refOf(draw), bits: 8 * (1 + Math.floor(draw() * 9)) }),
  (draw) => ({ kind: "complete", ref: refOf(draw) }),
  (draw) => ({
    kind: "quarantined",
    ref: refOf(draw),
    keyId: pick(draw, keyIds),
    reason: pick(draw, ["unknown_module", "duplicate_key_ID"]),
  }),
  (draw) => ({ kind: pick(draw, ["withheld", "damaged"] as const), ref: refOf(draw) }),
  (draw) => ({ kind: "withheld", ref: refOf(draw), reason: pick(draw, withheldReasons) }),
  (draw) => {
    const ref = refOf(draw);
    const from = Math.floor(draw() * (ref.number + 1));
    return { kind: "claimed", ref, from, claimant: pick(draw, claimants) };
  },
  (draw) => ({ kind: pick(draw, ["untouched", "forgotten"] as const), ref: refOf(draw) }),
  (draw) => ({ kind: pick(draw, ["repaired", "doubt_over", "trusted"] as const) }),
  (draw) => ({
    kind: pick(draw, ["discarded", "reinstated"] as const),
    ref: refOf(draw),
    keyId: pick(draw, [undefined, ...keyIds]),
  }),
  (draw) => ({
    kind: "reinstated",
    ref: refOf(draw),
    keyId: undefined,
    reason: pick(draw, [...withheldReasons, "damaged"] as const),
  }),
  (draw) => ({ kind: pick(draw, ["doubtful", "released"] as const), ref: refOf(draw) }),
  (draw) => {
    const ref = refOf(draw);
    return { kind: "past", ref, from: Math.floor(draw() * (ref.number + 1)) };
  },
  (draw) => ({
    kind: pick(draw, ["sent", "returned"] as const),
    ref: refOf(draw),
    keyId: pick(draw, keyIds),
  }),
  // What names a pair follows its name, as custody appends them. The name is one part here.
  (draw) => {
    const pair = pick(draw, pairs);
    return [nameOf(pair), { kind: "module", id: pairId(pair) }];
  },
  (draw) => {
    const pair = pick(draw, pairs);
    const ref = { epoch: pick(draw, epochs), number: 0 };
    return [nameOf(pair), { kind: "paired", ref, id: pairId(pair) }];
  },
];

function nameOf(pair: ModulePair): LedgerEntry {
  const hex = Buffer.from(`${pair.moduleId}\0${pair.matchingModuleId}`).toString("hex");
  return { kind: "name", id: pairId(pair), part: 0, hex };
}

function refOf(draw: Draw, below = numbers) {
  return { epoch: pick(draw, epochs), number: Math.floor(draw() * below) };
}

function cut(draw: Draw): LedgerEntry {
  return {
    kind: "cut",
    ref: refOf(draw, cutNumbers),
    keyBits: pick(draw, [undefined, 256]),
    onRequest: draw() < 0.3,
    claimant: pick(draw, [undefined, ...claimants]),
  };
}

function freed(draw: Draw): LedgerEntry {
  return { kind: "freed", claimant: pick(draw, claimants) };
}

/** What can be asked of a ledger. */
type Answers = Pick<
  LedgerFile,
  "blocks" | "keyFormatOf" | "claimantOf" | "pairOf" | "module" | "isPast" | "isDoubtful"
>;

/** All answers of a ledger, as text. */
function tell(ledger: Answers): string {
  const blocks = [...ledger.blocks()].map(({ ref, ...block }) => ({
    block: `${ref.epoch}/${ref.number}`,
    ...block,
    allowed: [...block.allowed].sort(),
    delivered: [...block.delivered].sort(),
    gone: [...block.gone].sort(),
    sent: [...block.sent].sort(),
    quarantined: [...block.quarantined].sort(),
    assigned: [...block.assigned].map(([id, place]) => [id, place.offset, place.claimant]).sort(),
  }));
  // Of a block about which nothing is recorded there may be a record, or none.
  const said = blocks.filter(
    ({ block, state, ...facts }) =>
      state !== "offered" ||
      Object.values(facts).some((fact) => (Array.isArray(fact) ? fact.length > 0 : Boolean(fact))),
  );
  said.sort((a, b) => (a.block < b.block ? -1 : 1));
  const refs = epochs.flatMap((epoch) =>
    Array.from({ length: cutNumbers }, (_, number) => ({ epoch, number })),
  );
  const of = refs.map((ref) => [
    ledger.keyFormatOf(ref)?.keyBits,
    ledger.keyFormatOf(ref)?.onRequest,
    ledger.claimantOf(ref),
    ledger.pairOf(ref.epoch),
    ledger.isPast(ref),
    ledger.isDoubtful(ref),
  ]);
  return JSON.stringify([said, of, ledger.module]);
}

function answersOf(index: LedgerIndex): Answers {
  return {
    blocks: () => index.blocks(),
    keyFormatOf: (ref) => index.formats.of(ref),
    isPast: (ref) => index.past.has(ref),
    isDoubtful: (ref) => index.doubts.has(ref),
    claimantOf: (ref) => index.claims.of(ref),
    pairOf: (epoch) => index.pairs.of(epoch),
    get module() {
      return index.pairs.module;
    },
  };
}

/** A process's access to the disk: once it is killed, nothing that it began goes on. */
class Process implements FileSystem {
  readonly #disk: Disk;
  #killed = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  kill(): void {
    this.#killed = true;
  }

  #do<T>(act: () => Promise<T>): Promise<T> {
    const never = new Promise<T>(() => {});
    if (this.#killed) return never;
    return act().then(
      (value) => (this.#killed ? never : value),
      (error) => (this.#killed ? never : Promise.reject(error)),
    );
  }

  open = (name: string, flags: string): Promise<OpenFile> =>
    this.#do(async () => {
      const file = await this.#disk.open(name, flags);
      return {
        read: (...args) => this.#do(() => file.read(...args)),
        write: (...args) => this.#do(() => file.write(...args)),
        datasync: () => this.#do(() => file.datasync()),
        truncate: (length) => this.#do(() => file.truncate(length)),
        stat: () => this.#do(() => file.stat()),
        close: () => this.#do(() => file.close()),
      };
    });
  rename = (from: string, to: string) => this.#do(() => this.#disk.rename(from, to));
  remove = (name: string) => this.#do(() => this.#disk.remove(name));
  list = (name: string) => this.#do(() => this.#disk.list(name));
  makeFolder = () => this.#do(() => this.#disk.makeFolder());
  syncFolder = () => this.#do(() => this.#disk.syncFolder());
}

/** @returns what should never be, in words */
export async function ledgerStory(
  first: Disk,
  seed: number,
  afterCut: (disk: Disk) => Disk,
): Promise<string[]> {
  const draw = random(seed);
  const broken: string[] = [];
  let disk = first;
  // Several where what is read does not tell them apart yet: what is doubtful, behind a repair, shows
  // only once the repair is decided about.
  let histories: History[] = [{ entries: [], durable: 0 }];
  for (let life = 0; life < 6; life++) {
    if (disk.dead) disk = afterCut(disk);
    const process = new Process(disk);
    const troubles = disk.troubles;
    let ledger: LedgerFile;
    try {
      ledger = await LedgerFile.open(process, path, silentLog, {
        // Room at times for a copy of the seal in another block.
        reserveBytes: draw() < 0.5 ? 448 : 4_608,
        groupRecords: 7,
        compactAbove: 16,
      });
    } catch (error) {
      if (disk.troubles > troubles) continue;
      broken.push(`a start failed: ${describe(error)}`);
      break;
    }
    const read = tell(ledger);
    histories = histories.flatMap((history) => prefixes(history, read)).slice(0, mostHistories);
    if (histories.length === 0) {
      broken.push(`life ${life}: what is read is not what was recorded`);
      break;
    }
    const appended: LedgerEntry[] = [];
    let durable = 0;
    await work(ledger, disk, draw, appended, (upTo) => {
      durable = upTo;
    });
    if (draw() < 0.5) process.kill();
    else {
      await ledger.close();
      if (ledger.failure === undefined && !disk.dead) durable = appended.length;
    }
    histories = histories.map(({ entries }) => ({
      entries: [...entries, ...appended],
      durable: entries.length + durable,
    }));
  }
  return broken;
}

/** Appends to `entries` what it appends to the ledger. */
async function work(
  ledger: LedgerFile,
  disk: Disk,
  draw: Draw,
  entries: LedgerEntry[],
  onDurable: (upTo: number) => void,
): Promise<void> {
  for (let step = 4 + draw() * 12; step > 0 && !disk.dead; step--) {
    for (let i = 1 + Math.floor(draw() * draw() * 20); i > 0; i--) {
      for (const entry of [pick(draw, makers)(draw)].flat()) {
        if (takes(ledger, entry)) entries.push(entry);
      }
      const upTo = entries.length;
      if (draw() < 0.5) ledger.whenDurable(() => onDurable(upTo));
    }
    if (draw() < 0.7) await settle();
    if (draw() < 0.7) await ledger.recover();
  }
}

/** Appends an entry; what can't happen to its block is not taken, and leaves no trace. */
function takes(ledger: LedgerFile, entry: LedgerEntry): boolean {
  try {
    ledger.append(entry);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === "invariant") return false;
    throw error;
  }
}

/** The beginnings of a history that lead to this ledger. What a start has read counts from then on. */
function prefixes({ entries, durable }: History, wanted: string): History[] {
  const index = new LedgerIndex();
  const found: History[] = [];
  for (let n = 0; n <= entries.length; n++) {
    if (n > 0) index.apply(entries[n - 1] as LedgerEntry);
    if (n < durable || tell(answersOf(index)) !== wanted) continue;
    // Of beginnings that lead to the same in every respect one is enough.
    const all = JSON.stringify([...index.entries()]);
    if (found.some((one) => one.all === all)) continue;
    found.push({ entries: entries.slice(0, n), durable: n, all });
  }
  return found;
}
