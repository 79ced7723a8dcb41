/**
 * A custody's life in virtual time, from one seed: modules that are set back, exchanged and paired anew, KMs that come,
 * go, move and change names, a ledger that power cuts, failing syncs and bad sectors hit, configurations that change at
 * each start, an operator whose words are true. An oracle outside of the code knows what each KM may have.
 *
 * After each step: a bit of key is with one KM at most, under one ID; what the module let go of is with
 * a KM, or an operator gave it up. At the end: what is still in the module is kept back, for a reason.
 */
import { Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { backoff } from "../../src/base/retry.ts";
import { Custody } from "../../src/node/custody/custody.ts";
import {
  accept,
  type KnownKm,
  nameOfClaimant,
  recognise,
} from "../../src/node/custody/km-identity.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { repairLedger } from "../../src/node/ledger/ledger-tool.ts";
import { ManualClock, settle } from "../clock.ts";
import { random } from "../random.ts";
import { Module } from "../rig/custody-bench.ts";
import { someIdentity } from "../rig/identity.ts";
import {
  type Configuration,
  drawConfiguration,
  names,
  type Plant,
  plants,
  refOf,
} from "./custody-draw.ts";
import { Oracle } from "./oracle.ts";
import { SimDisk } from "./sim-disk.ts";
import { SimKms } from "./sim-kms.ts";

const path = "/ledger";
const epochs = ["00112233aabbccdd", "8899aabbccddeeff", "0f0f0f0f0f0f0f0f"] as const;
const steps = 160;
/** The first steps in the list are those that make key flow. */
const flowing = 11;

export interface StoryResult {
  /** What should never be, in words. */
  readonly broken: readonly string[];
  /** What happened, and how often: a story in which nothing happens proves nothing. */
  readonly marks: ReadonlyMap<string, number>;
  /** What was drawn before anything happened, for who repeats it. */
  readonly drawn: string;
  /** What happened, a line each: a seed that does not tell the same twice is a defect of the story. */
  readonly log: readonly string[];
}

/** @param plant breaks the world on purpose: each such mistake must be found */
export async function custodyStory(seed: number, plant?: Plant): Promise<StoryResult> {
  const world = new World(seed, plant);
  await world.run();
  const { oracle, marks, log, drawn } = world;
  return { broken: oracle.broken, marks, log, drawn };
}

class World {
  readonly oracle = new Oracle();
  readonly marks = new Map<string, number>();
  readonly log: string[] = [];
  readonly #draw: () => number;
  readonly #clock = new ManualClock();
  readonly #plant: Plant | undefined;
  readonly #weights: readonly number[];
  readonly #disk: SimDisk;
  #config: Configuration;
  /** The small state: who each KM is. It is not what is tried here, and never fails. */
  #known: Record<string, KnownKm> = {};
  #boxOfClaimant = new Map<string, number>();
  #ledger!: LedgerFile;
  #custody!: Custody;
  readonly #module = new Module();
  #other = new Module();
  #connected: Module | undefined;
  readonly #kms: SimKms;
  #next = 0;
  #step = 0;
  #requests = 0;

  constructor(seed: number, plant: Plant | undefined) {
    this.#draw = random(seed);
    this.#plant = plant;
    this.#disk = new SimDisk(path, this.#draw, plant);
    this.#kms = new SimKms(this.oracle, this.#draw, (name) => this.#mark(name));
    // Swarm: each story has some of the steps often and others never.
    // What makes key flow is never left out: a story in which none does tries nothing.
    this.#weights = this.#steps.map((_, i) => {
      const weight = this.#draw() < 0.75 ? 1 + Math.floor(this.#draw() * 12) : 0;
      return i < flowing ? weight + 6 : weight;
    });
    this.#config = drawConfiguration(this.#draw);
    this.#other.identity = { ...someIdentity, moduleId: "QKD-Z" };
    this.#module.tellsNewest = this.#draw() < 0.8;
  }

  get #steps(): readonly (() => unknown)[] {
    return [
      () => this.#add(),
      () => this.#add(),
      () => this.#connected?.offer(),
      () => this.#connected?.offer(),
      () => this.#kms.answer("success"),
      () => this.#kms.answer("success"),
      () => this.#kms.connect(this.#custody, this.#pick(this.#config.kms)),
      () => this.#kms.connect(this.#custody, this.#pick(this.#config.kms)),
      () => this.#connectModule(),
      () => this.#settle(),
      () => this.#clock.advance(1_000),
      () => this.#kms.answer(this.#pick(["busy", "hash_mismatch", "unclear", "internal_error"])),
      () => this.#kms.loseOne(this.#custody),
      () => this.#loseModule(),
      () => this.#restart("orderly"),
      () => this.#restart("power"),
      () => this.#failSync(),
      () => this.#setBack(),
      () => this.#exchange(),
      () => this.#pairAnew(),
      () => this.#free(),
      () => this.#acceptKm(),
      () => this.#decide(),
      () => this.#ask(),
      () => this.#ask(),
      () => this.#withhold(),
    ];
  }

  get drawn(): string {
    const weights = this.#weights.join(" ");
    return JSON.stringify({
      weights,
      disk: this.#disk.faults,
      tellsNewest: this.#module.tellsNewest,
    });
  }

  async run(): Promise<void> {
    await this.#start();
    for (; this.#step < steps && this.oracle.broken.length === 0; this.#step++) {
      await this.#weighted()();
      this.#check();
    }
    if (this.oracle.broken.length === 0) await this.#heal();
  }

  #weighted(): () => unknown {
    const all = this.#steps;
    let at = this.#draw() * this.#weights.reduce((sum, weight) => sum + weight, 0);
    const found = this.#weights.findIndex((weight) => {
      at -= weight;
      return at < 0;
    });
    return all[Math.max(0, found)] as () => unknown;
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#draw() * list.length)] as T;
  }

  #mark(name: string): void {
    this.log.push(
      `${String(this.#step).padStart(4)}  ${String(this.#clock.now()).padStart(7)} ms  ${name}`,
    );
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }

  async #start(): Promise<void> {
    this.#known = { ...this.#known };
    const kms = this.#config.kms.map(({ name, box, address }) => {
      const proven = `box ${box} at ${address}`;
      const isPlanted = this.#plant === "a KM is its name alone";
      const known = recognise(this.#known[name], name, isPlanted ? "" : proven);
      this.#known[name] = known;
      this.#boxOfClaimant.set(known.slot, box);
      return { name, claimants: [known.slot, ...known.same] as [string, ...string[]] };
    });
    this.#ledger = await this.#open();
    if (this.#plant !== undefined) Object.assign(this.#ledger, plants[this.#plant](this.#ledger));
    const { keyBits, onRequest } = this.#config;
    this.#custody = new Custody(
      { qberLimit: 0.11, keyBits, onRequest, kms, maxHeldBlocks: 6, maxHeldBytes: 65_536 },
      {
        ledger: this.#ledger,
        clock: this.#clock,
        log: silentLog,
        nameOfKm: (claimant) => nameOfClaimant(this.#known, claimant),
        backoff: () => backoff({ firstMs: 100, maxMs: 1_000, jitter: 0, random: () => 0 }),
        onEvent: ({ type }) => this.#mark(type),
      },
    );
  }

  async #open(): Promise<LedgerFile> {
    const options = { reserveBytes: 8_192, groupRecords: 8, compactAbove: 48, clock: this.#clock };
    try {
      return await LedgerFile.open(this.#disk.files, path, silentLog, options);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "ledger.corrupt") throw error;
      this.#mark("repaired");
      await repairLedger(this.#disk.files, path, this.#plant === "a repair leaves no doubt");
      this.oracle.repaired();
      return LedgerFile.open(this.#disk.files, path, silentLog, options);
    }
  }

  #add(): void {
    const draw = this.#draw;
    const epoch = draw() < 0.7 ? epochs[0] : this.#pick(epochs);
    const ref = { epoch, number: this.#next++ };
    const bits = this.#pick([256, 512, 320, 1_024, 0]);
    const content = this.oracle.content(ref, bits, draw);
    const qber = draw() < 0.08 ? this.#pick([undefined, 0.3]) : 0.03;
    this.#module.add(ref.number, bits, { ref, qber }, content);
  }

  #connectModule(): void {
    if (this.#connected !== undefined) return;
    this.#connected = this.#module;
    this.#module.connect(this.#custody);
  }

  #loseModule(): void {
    this.#connected?.disconnect();
    this.#connected = undefined;
  }

  /** Another module on the port, with references of its own that may be those of the first. */
  #exchange(): void {
    if (this.#connected !== undefined) return;
    this.#mark("exchanged");
    const ref = { epoch: epochs[0], number: Math.floor(this.#draw() * (this.#next + 1)) };
    if (this.#ledger.pairOf(ref.epoch) === undefined) return;
    this.#other.add(ref.number, 256, { ref }, this.oracle.foreign(256, this.#draw));
    this.#connected = this.#other;
    this.#other.connect(this.#custody);
    this.#other.offer();
  }

  #pairAnew(): void {
    this.#module.matching = this.#pick(["QKD-B", "QKD-B2"]);
  }

  /** The module offers again what it had let go of. */
  #setBack(): void {
    const name = this.#pick(this.#module.released);
    if (name === undefined || this.#module.blocks.has(name)) return;
    const block = this.oracle.block(name);
    if (block === undefined || block.bits === 0) return;
    this.#module.add(block.ref.number, block.bits, { ref: block.ref }, Buffer.from(block.bytes));
    this.oracle.setBack(name);
    this.#mark("set back");
  }

  #failSync(): void {
    this.#disk.fail();
    this.#mark("sync failed");
  }

  async #settle(): Promise<void> {
    await this.#clock.advance(60);
    if (this.#ledger.failure !== undefined) {
      await this.#ledger.recover();
      if (this.#ledger.failure === undefined) this.#custody.resume();
    }
    await settle();
  }

  async #restart(how: "orderly" | "power"): Promise<void> {
    this.#kms.loseAll(this.#custody);
    if (how === "orderly") {
      this.#disk.heal();
      await this.#settle();
      await this.#custody.stop();
      await this.#settle();
    }
    this.#connected?.disconnect();
    this.#connected = undefined;
    this.#custody.wipe();
    if (how === "orderly") {
      await this.#ledger.close();
      this.#disk.age();
    } else this.#disk.powerCut();
    this.#mark(how);
    if (this.#draw() < 0.7) this.#config = drawConfiguration(this.#draw);
    await this.#start();
  }

  /** Says that a KM has none of its unconfirmed keys, if that is so. */
  #free(): void {
    const name = this.#pick(names);
    const known = this.#known[name];
    if (known === undefined || this.#kms.isUp(name)) return;
    const claimants = [known.slot, ...known.same, ...known.former.map(({ slot }) => slot)];
    const boxes = claimants.map((claimant) => this.#boxOfClaimant.get(claimant));
    const inModule = (block: string) => this.#module.blocks.has(block);
    if (
      this.#plant !== "an operator frees a KM that has keys" &&
      boxes.some((box) => this.oracle.hasAny(box, inModule))
    )
      return;
    this.#mark("freed");
    for (const box of boxes) this.oracle.freed(box);
    this.#custody.kms.free(name, claimants);
  }

  #acceptKm(): void {
    const name = this.#pick(names);
    const known = this.#known[name];
    const box = known && this.#boxOfClaimant.get(known.slot);
    if (known === undefined || known.former.length === 0) return;
    if (known.former.some(({ slot }) => this.#boxOfClaimant.get(slot) !== box)) return;
    this.#known[name] = accept(known);
    const { slot: claimant, same } = this.#known[name] as KnownKm;
    this.#mark("accepted");
    this.#custody.kms.accept({ name, claimants: [claimant, ...same] });
  }

  #decide(): void {
    const one = this.#pick(this.#custody.keptBackKeys.list(20));
    if (one === undefined || one.why === "other_km" || one.why === "discarded") return;
    const name = one.key_ID ?? one.block;
    // Given out a second time it would be the operator's mistake: nobody knows better here.
    const isOut = this.oracle.isOut(one.block);
    const what = isOut || this.#draw() < 0.3 ? "discard" : "reinstate";
    if (this.#custody.keptBackKeys[what](name) !== undefined) return;
    this.#mark(what);
    if (what === "discard") this.oracle.givenUp(one.block);
  }

  #withhold(): void {
    const name = this.#pick([...this.#module.blocks.keys()]);
    if (name !== undefined && this.#custody.keptBackKeys.withhold(name) === undefined)
      this.#mark("withheld");
  }

  /** A KM asks for keys, and its answer arrives, or breaks off, or never leaves. */
  async #ask(): Promise<void> {
    const desk = this.#custody.desk;
    if (desk === undefined) return;
    const { box, name } = this.#pick(this.#config.kms);
    const claimant = `${this.#known[name]?.slot.slice(0, 12)}${(this.#requests++).toString(16).padStart(20, "0")}`;
    const token = this.#draw() < 0.3 ? `token-of-some-length-${this.#requests}` : undefined;
    const size = this.#pick([64, 128, 256]);
    const pending = desk.request({ claimant, token, number: this.#pick([1, 2, 5]), size, most: 8 });
    await this.#settle();
    const reply = await Promise.race([pending, settle().then(() => undefined)]);
    // The disk keeps it waiting: the KM has hung up when it comes.
    if (reply === undefined) void pending.then(({ unsent }) => unsent?.());
    if (reply === undefined || reply.keys.length === 0) return;
    const how = this.#pick(["sent", "sent", "sent", "unsent", "torn"] as const);
    this.#mark(how);
    this.#kms.given(reply, box, how);
  }

  #check(): void {
    this.oracle.checkReleased(this.#module.released);
    if (this.#other.released.length > 0) {
      this.oracle.broken.push("a block of another module was released by a record of the first");
    }
  }

  /** Nothing fails any more: all that is not kept back arrives. */
  async #heal(): Promise<void> {
    this.#disk.heal();
    await this.#settle();
    if (this.#connected !== this.#module) {
      this.#connected?.disconnect();
      this.#connected = this.#module;
      this.#module.connect(this.#custody);
    }
    for (let i = 0; i < 400 && this.#open_().length > 0; i++) {
      for (const km of this.#config.kms) this.#kms.connect(this.#custody, km);
      this.#module.offer();
      this.#kms.answerAll();
      if (this.#config.onRequest) await this.#ask();
      await this.#clock.advance(1_100);
      await this.#settle();
      this.#check();
      if (this.oracle.broken.length > 0) return;
    }
    for (const name of this.#open_())
      this.oracle.broken.push(`${name} is left behind for no reason`);
  }

  /** Blocks of the module for which nothing says why they are still there. */
  #open_(): string[] {
    const kept = new Set(this.#custody.keptBackKeys.list(10_000).map(({ block }) => block));
    return [...this.#module.blocks.keys()].filter((name) => {
      if (kept.has(name)) return false;
      if (!this.#config.onRequest) return true;
      // What is no whole unit, or waits to be asked for.
      const isAskedFor = this.#ledger.keyFormatOf(refOf(name))?.onRequest === true;
      return !isAskedFor || this.#ledger.get(name)?.state === "complete";
    });
  }
}
