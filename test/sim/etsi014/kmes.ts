/** Two KMEs of a story: what each handed over, and how often, is known. */
import { hash } from "node:crypto";
import type { Asked, Kme, KmeStatus } from "../../../drivers/etsi014/kme.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { Fault } from "../../../src/base/errors.ts";

/** How likely each trouble is in this story, 0 to 1. */
export interface KmeFaults {
  readonly fewer: number;
  readonly lostAnswer: number;
  readonly noAnswer: number;
  readonly busy: number;
  readonly expires: number;
  readonly repeats: number;
  readonly oddLength: number;
  readonly away: number;
  /** Longest time until the other end has a key, ms. */
  readonly lag: number;
}

interface Key {
  readonly bytes: Buffer;
  /** When the other end has it, by the clock, ms. */
  from: number;
  /** Times that it was handed over at the end of the leader, and of the follower, in answers that arrived. */
  readonly given: [number, number];
}

export class SimKmes {
  readonly keys = new Map<string, Key>();
  readonly #draw: () => number;
  readonly #clock: Clock;
  faults: KmeFaults;
  #stock: string[] = [];
  /** At the follower's end. */
  readonly #waiting = new Set<string>();
  #last: string[] = [];
  #made = 0;

  constructor(draw: () => number, clock: Clock, faults: KmeFaults) {
    this.#draw = draw;
    this.#clock = clock;
    this.faults = faults;
  }

  get stocked(): number {
    return this.#stock.length;
  }

  make(number: number): void {
    for (let i = 0; i < number; i++) {
      const text = hash("sha256", `key ${this.#made++}`, "hex");
      const id = `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-8${text.slice(17, 20)}-${text.slice(20, 32)}`;
      const bytes = Buffer.from(hash("sha256", `bytes ${id}`, "hex"), "hex").subarray(0, 16);
      this.keys.set(id, { bytes, from: 0, given: [0, 0] });
      this.#stock.push(id);
    }
  }

  /** The KME of one end, for one life of it: what it hands over after that is lost. @param isAlive of that life */
  of(end: 0 | 1, isAlive: () => boolean): Kme {
    const soon = async <T>(answer: () => T): Promise<T> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#clock.after(1 + Math.floor(this.#draw() * 60), resolve);
      await promise;
      if (!isAlive()) return new Promise<T>(() => {});
      if (this.#draw() < this.faults.away) throw new Fault("link.closed", "the KME is away");
      return answer();
    };
    const answered = (asked: () => Asked) => {
      if (this.#draw() < this.faults.noAnswer) return soon<Asked>(() => ({ kind: "unanswered" }));
      if (this.#draw() < this.faults.busy) return soon<Asked>(() => ({ kind: "later" }));
      // The keys leave now; whether the answer arrives shows later.
      const answer = asked();
      return soon<Asked>(() => {
        if (this.#draw() < this.faults.lostAnswer) return { kind: "unanswered" };
        if (answer.kind === "keys") for (const { id } of answer.keys) this.#count(id, end);
        return answer;
      });
    };
    return {
      status: () =>
        soon<KmeStatus>(() => ({
          stored: this.#stock.length,
          maxPerRequest: 16,
          keySize: 128,
          minKeySize: 8,
          maxKeySize: 1_024,
        })),
      take: (number) => answered(() => this.#enc(number)),
      fetch: (ids) => answered(() => this.#dec(ids)),
    };
  }

  #count(id: string, end: 0 | 1): void {
    const key = this.keys.get(id);
    if (key !== undefined) key.given[end]++;
  }

  #copy(id: string) {
    return { id, bytes: Buffer.from(this.keys.get(id)?.bytes ?? []) };
  }

  #enc(number: number): Asked {
    if (this.#last.length > 0 && this.#draw() < this.faults.repeats) {
      return { kind: "keys", keys: this.#last.map((id) => this.#copy(id)) };
    }
    const fewer = this.#draw() < this.faults.fewer;
    const ids = this.#stock.splice(0, fewer ? Math.ceil(number / 2) : number);
    if (ids.length === 0) return { kind: "later" };
    for (const id of ids) {
      const key = this.keys.get(id) as Key;
      key.from = this.#clock.now() + this.#draw() * this.faults.lag;
      if (this.#draw() >= this.faults.expires) this.#waiting.add(id);
    }
    this.#last = ids;
    return { kind: "keys", keys: ids.map((id) => this.#copy(id)) };
  }

  #dec(ids: readonly string[]): Asked {
    const now = this.#clock.now();
    const there = ids.filter(
      (id) => this.#waiting.has(id) && (this.keys.get(id) as Key).from <= now,
    );
    const fewer = this.#draw() < this.faults.fewer;
    if (there.length === 0 || (there.length < ids.length && !fewer)) return { kind: "unknown" };
    for (const id of there) this.#waiting.delete(id);
    const keys = there.map((id) => this.#copy(id));
    const [first] = keys;
    if (first !== undefined && this.#draw() < this.faults.oddLength) first.bytes = Buffer.alloc(8);
    return { kind: "keys", keys };
  }
}
