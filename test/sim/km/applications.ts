/** Pairs of applications: one asks its KM for keys, tells the other their IDs, and the other asks its own. */

import type { LinkEvent } from "../../../src/km/peer/events.ts";
import { idsOf, single } from "../../../src/km/store/key-run.ts";
import { bytesOf } from "../../../src/km/store/ranges.ts";
import { slavesOf, useOf } from "../../../src/km/store/sae-set.ts";
import type { Use } from "../../../src/km/store/shapes.ts";
import type { SimKm } from "./sim-km.ts";
import type { SimWorld as World } from "./world.ts";

/** A key that was asked for so long may be late: it waited for its application before that, too. */
const earlierMs = 4_000;

export class Applications {
  readonly #world: World;
  readonly #random: () => number;
  /** By key and slave: when it was asked for first, and the era of the KM then; undefined once another began between. */
  readonly #asked = new Map<string, { readonly at: number; era: number | undefined }>();
  /** Keys that all of their slaves have, as a KM says. */
  readonly #taken = new Set<string>();
  #running = true;

  constructor(world: World, random: () => number) {
    this.#world = world;
    this.#random = random;
  }

  begin(): void {
    if (!this.#running) return;
    const { clock, drawn } = this.#world;
    this.#ask();
    clock.after(-Math.log(1 - this.#random()) * drawn.requestMs, () => this.begin());
  }

  end(): void {
    this.#running = false;
  }

  #ask(): void {
    const { a, b, drawn, clock } = this.#world;
    const km = this.#random() < 0.5 ? a : b;
    const length = 1 + Math.floor(this.#random() * drawn.longest);
    if (!km.alive) return;
    const deadline = clock.now + 50 + this.#random() * 2_000;
    if (this.#random() < drawn.preOffers) {
      km.link.owner.preOffer(1, length, drawn.pickUp, deadline);
      return;
    }
    const use = this.#drawSet(km);
    // A few ask for more than one message can name.
    const many = this.#random() < 0.002 ? 1_500 : 0;
    const keys = 1 + many + Math.floor(this.#random() * 3);
    const { life } = km;
    km.link.owner.request({ use, keys, length, pickUp: drawn.pickUp, deadline }, (result) => {
      if (typeof result === "string") return this.#world.count(`short: ${result}`);
      this.#master(km, life, use, result);
    });
  }

  /** One other application, or a few that are all to have the key. */
  #drawSet({ name }: SimKm): string {
    const app = Math.floor(this.#random() * 5);
    const slaves = 1 + Math.floor(this.#random() * 3);
    if (this.#random() < 0.7 || slaves === 1) return `app-${app} ${name}`;
    return useOf([`app-${app} ${name}`, ...Array.from({ length: slaves }, (_, i) => `s-${i}`)]);
  }

  #master(km: SimKm, life: number, use: string, keys: readonly Use[]): void {
    const { drawn } = this.#world;
    for (const key of keys.flatMap(single)) this.#hand(km, "master", use, key);
    if (this.#random() < drawn.vanish || km.life !== life) return;
    const other = km === this.#world.a ? this.#world.b : this.#world.a;
    const ids = idsOf(keys);
    // Together, one by one, or each twice: applications do as they like.
    const how = this.#random();
    for (let slave = 0; slave < slavesOf(use); slave++) {
      if (how < 0.4) this.#slave(other, use, ids, 5, slave);
      else for (const id of ids) this.#slave(other, use, [id], how < 0.5 ? 1 : 5, slave);
      if (how > 0.9) for (const id of ids) this.#slave(other, use, [id], 3, slave);
    }
  }

  #slave(km: SimKm, use: string, ids: readonly string[], tries: number, slave: number): void {
    if (tries === 0) return;
    const { clock } = this.#world;
    clock.after(this.#random() * 800, () => {
      if (!km.alive) return this.#slave(km, use, ids, tries - 1, slave);
      const { era } = km;
      for (const id of ids) this.#asks(km, id, slave);
      // An answer that was written is not asked for again; one that failed is.
      const taken = (result: readonly Use[] | string) => {
        if (typeof result !== "string") {
          for (const key of result) this.#hand(km, "slave", use, key, slave);
          return;
        }
        if (result === "unknown" && km.era === era) {
          for (const id of ids) this.#refused(km, id, slave);
        }
        this.#slave(km, use, ids, tries - 1, slave);
      };
      km.link.peer.take(use, ids, clock.now + 1_500, taken, slave);
    });
  }

  #asks({ name, era }: SimKm, id: string, slave: number): void {
    const place = `${name} ${id} ${slave}`;
    const before = this.#asked.get(place);
    if (before === undefined) this.#asked.set(place, { at: this.#world.clock.now, era });
    else if (before.era !== era) before.era = undefined;
  }

  /** A KM that lived on, or stopped with nothing in doubt, and has the key counted as taken has given it to who asked. */
  #refused({ name, era }: SimKm, id: string, slave: number): void {
    const { clock, drawn, oracle } = this.#world;
    const asked = this.#asked.get(`${name} ${id} ${slave}`);
    if (asked?.era !== era || !this.#taken.has(`${name} ${id}`)) return;
    if (oracle.hasSlave(name, id, slave)) return;
    if (clock.now - asked.at < drawn.pickUp * 1_000 - earlierMs) {
      oracle.bad("L", `${id} is taken at ${name}, which lived on, and its slave never got it`);
    }
  }

  /** What a KM tells of keys. */
  told({ name }: SimKm, event: LinkEvent): void {
    if (event.type !== "use" || event.owner || event.state !== "T") return;
    for (const id of idsOf(event.keys)) this.#taken.add(`${name} ${id}`);
  }

  #hand(km: SimKm, role: "master" | "slave", use: string, key: Use, slave = 0): void {
    const cells = km.cells(key);
    const { oracle } = this.#world;
    if (cells === undefined || cells.bytes.length !== bytesOf(key.ranges)) {
      return oracle.bad("L", `the bytes of ${key.id} are not there when they are handed out`);
    }
    const slaves = slavesOf(use);
    oracle.handed({ km: km.name, role, slave, slaves, use, id: key.id, ...cells });
  }
}
