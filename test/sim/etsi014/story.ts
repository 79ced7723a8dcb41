/**
 * The life of two ends of the driver `etsi014` in virtual time, from one seed: between KMEs that lose answers,
 * repeat themselves and let keys expire, over a line that is cut, on disks that fail and lose what was not
 * synced, with ends that are killed at any time. After each step: no key under two names, none that the other
 * end never had. At the end, when all is well again: both ends have offered the same keys, and keys flow.
 */
import { Decoder, encode, type Message } from "../../../drivers/etsi014/messages.ts";
import type { Line } from "../../../drivers/etsi014/parts.ts";
import { Fault } from "../../../src/base/errors.ts";
import { ManualClock, settle } from "../../clock.ts";
import { random } from "../../random.ts";
import { SimEnd } from "./end.ts";
import { type KmeFaults, SimKmes } from "./kmes.ts";
import type { Plant } from "./plants.ts";

const steps = 120;
const well: KmeFaults = {
  fewer: 0,
  lostAnswer: 0,
  noAnswer: 0,
  busy: 0,
  expires: 0,
  repeats: 0,
  oddLength: 0,
  away: 0,
  lag: 0,
};

export interface StoryResult {
  readonly broken: readonly string[];
  readonly marks: ReadonlyMap<string, number>;
  readonly drawn: string;
}

interface Way {
  readonly to: SimEnd;
  readonly messages: Buffer[];
  readonly decoder: Decoder;
}

export async function etsi014Story(seed: number, plant?: Plant): Promise<StoryResult> {
  const world = new World(seed, plant);
  await world.run();
  return { broken: world.broken, marks: world.marks, drawn: world.drawn };
}

class World {
  readonly broken: string[] = [];
  readonly marks = new Map<string, number>();
  readonly #draw: () => number;
  readonly #clock = new ManualClock();
  readonly #kmes: SimKmes;
  readonly #faults: KmeFaults;
  readonly #leader: SimEnd;
  readonly #follower: SimEnd;
  readonly #weights: readonly number[];
  /** Of the connection of now: its two directions, and what its ends hold of it. */
  #line: { readonly ways: readonly [Way, Way]; readonly cut: () => void } | undefined;

  constructor(seed: number, plant: Plant | undefined) {
    this.#draw = random(seed);
    const some = (most: number) => (this.#draw() < 0.5 ? this.#draw() * most : 0);
    this.#faults = {
      fewer: some(0.3),
      lostAnswer: some(0.15),
      noAnswer: some(0.15),
      busy: some(0.3),
      expires: some(0.1),
      repeats: some(0.2),
      oddLength: some(0.1),
      away: some(0.02),
      lag: some(3_000),
    };
    this.#kmes = new SimKmes(this.#draw, this.#clock, this.#faults);
    const parts = {
      draw: this.#draw,
      clock: this.#clock,
      kmes: this.#kmes,
      plant,
      over: () => this.#line?.cut(),
      broken: (what: string) => void this.broken.push(what),
      mark: (what: string) => void this.marks.set(what, (this.marks.get(what) ?? 0) + 1),
    };
    this.#leader = new SimEnd("leader", parts);
    this.#follower = new SimEnd("follower", parts);
    this.#leader.other = this.#follower;
    this.#follower.other = this.#leader;
    this.#weights = this.#steps.map((_, i) => {
      const weight = this.#draw() < 0.75 ? 1 + Math.floor(this.#draw() * 8) : 0;
      return i < 6 ? weight + 8 : weight;
    });
  }

  get drawn(): string {
    return JSON.stringify({ faults: this.#faults, weights: this.#weights });
  }

  get #steps(): readonly (() => unknown)[] {
    const some = () => (this.#draw() < 0.5 ? this.#leader : this.#follower);
    return [
      () => this.#kmes.make(1 + Math.floor(this.#draw() * 12)),
      () => this.#pass(50 + Math.floor(this.#draw() * 100)),
      () => this.#pass(Math.floor(this.#draw() * 2_000)),
      () => some().release(this.#draw()),
      () => this.#start(),
      () => this.#join(),
      () => this.#line?.cut(),
      () => this.#end(some(), (end) => end.kill()),
      () => this.#end(some(), (end) => end.powerCut()),
      () => this.#end(some(), (end) => void end.stop()),
      () => some().failDisk(),
      () => some().release(1),
    ];
  }

  async run(): Promise<void> {
    await this.#start();
    this.#join();
    for (let step = 0; step < steps && this.broken.length === 0; step++) {
      await this.#weighted()();
      await this.#pass(Math.floor(this.#draw() * 60));
    }
    if (this.broken.length === 0) await this.#heal();
  }

  #weighted(): () => unknown {
    let at = this.#draw() * this.#weights.reduce((sum, weight) => sum + weight, 0);
    const found = this.#weights.findIndex((weight) => {
      at -= weight;
      return at < 0;
    });
    return this.#steps[Math.max(0, found)] as () => unknown;
  }

  async #start(): Promise<void> {
    await this.#leader.start();
    await this.#follower.start();
  }

  #end(end: SimEnd, how: (end: SimEnd) => void): void {
    how(end);
  }

  /** Time goes on, and what was said is heard. */
  async #pass(ms: number): Promise<void> {
    for (let left = ms; left >= 0; left -= 25) {
      await this.#clock.advance(Math.min(25, Math.max(0, left)));
      for (let i = 0; i < 6; i++) await settle();
      this.#hear();
    }
  }

  #hear(): void {
    const line = this.#line;
    for (const { to, messages, decoder } of line?.ways ?? []) {
      for (const bytes of messages.splice(0)) {
        if (this.#line !== line) return;
        try {
          for (const message of decoder.push(bytes)) to.life?.end.hear(message);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          this.broken.push(`an end says what it should not: ${error.message}`);
        }
      }
    }
  }

  #join(): void {
    const [a, b] = [this.#leader.life, this.#follower.life];
    if (this.#line !== undefined || a === undefined || b === undefined) return;
    const way = (to: SimEnd): Way => ({ to, messages: [], decoder: new Decoder() });
    const ways = [way(this.#follower), way(this.#leader)] as const;
    const lineOf = (one: Way): Line => ({
      send: (message: Message) => {
        if (this.#line?.ways === ways) one.messages.push(encode(message));
      },
      close: () => {},
    });
    const [toFollower, toLeader] = [lineOf(ways[0]), lineOf(ways[1])];
    const cut = () => {
      if (this.#line?.ways !== ways) return;
      this.#line = undefined;
      a.end.parted(toFollower);
      b.end.parted(toLeader);
    };
    this.#line = { ways, cut };
    const [newestA, newestB] = [a.shelf.newest?.first, b.shelf.newest?.first];
    a.end.met(toFollower, newestB);
    b.end.met(toLeader, newestA);
  }

  async #heal(): Promise<void> {
    const ends = [this.#leader, this.#follower];
    this.#kmes.faults = well;
    for (const { disk } of ends) disk.trouble = () => undefined;
    const before = this.#leader.offered.size;
    for (let round = 0; round < 40; round++) {
      await this.#start();
      this.#join();
      if (round === 5) this.#kmes.make(20);
      await this.#pass(round < 10 ? 3_000 : 1_000);
      for (const end of ends) end.release(1);
    }
    const [leads, follows] = ends.map(({ refs }) => new Set(refs.keys())) as [
      Set<string>,
      Set<string>,
    ];
    const one = [...leads].filter((id) => !follows.has(id)).length;
    const other = [...follows].filter((id) => !leads.has(id)).length;
    if (one + other > 0) this.broken.push(`offered at one end alone: ${one} here, ${other} there`);
    if (leads.size < before + 20) this.broken.push("keys flow no more");
    for (const end of ends) {
      const left = [...(end.life?.shelf.batches() ?? [])];
      const states = left.map(({ facts, gone }) => `${facts.state} ${gone.size}/${facts.count}`);
      if (end.files().length > 1)
        this.broken.push(`${end.side}: files are left: ${end.files()} ${states}`);
    }
  }
}
