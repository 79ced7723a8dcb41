/** Two modules and their nodes: they bring the same keys to both KMs, late, repeated, sometimes to one end only. */
import { streamSeed } from "../../random.ts";
import { received } from "../../rig/stored-keys.ts";
import type { Name, SimKm } from "./sim-km.ts";
import type { SimWorld as World } from "./world.ts";

export class QkdLink {
  readonly #world: World;
  readonly #total: number;
  readonly #random: () => number;
  readonly #draw: (length: number) => Buffer;
  readonly #numbers = new Map<string, number>();
  /** Deliveries that were not confirmed: by end. */
  readonly #waiting: Record<Name, Map<number, { id: Buffer; bytes: Buffer }>> = {
    a: new Map(),
    b: new Map(),
  };
  readonly #differ = new Set<number>();
  /** QKD-keys that both nodes brought, with the same bytes. */
  good = 0;
  goodBytes = 0;
  /** Brought to one end only. */
  lost = 0;
  #made = 0;

  constructor(world: World, total: number, random: () => number, draw: (n: number) => Buffer) {
    this.#world = world;
    this.#total = total;
    this.#random = random;
    this.#draw = draw;
  }

  get done(): boolean {
    return this.#made >= this.#total;
  }

  differs(key: number): boolean {
    return this.#differ.has(key);
  }

  numberOf(id: Uint8Array): number {
    return this.#numbers.get(Buffer.from(id).toString("latin1")) ?? -1;
  }

  begin(): void {
    if (this.done) return;
    const { clock, drawn } = this.#world;
    this.#make();
    clock.after(-Math.log(1 - this.#random()) * drawn.keyMs, () => this.begin());
  }

  #make(): void {
    const { drawn } = this.#world;
    const number = ++this.#made;
    const id = this.#draw(16);
    id.writeInt32BE(streamSeed(number, "id"), 0);
    this.#numbers.set(id.toString("latin1"), number);
    const bytes = this.#draw(1 + Math.floor(this.#random() * 48));
    const fate = this.#random();
    const lost = fate < drawn.lost;
    const differs = !lost && fate < drawn.lost + drawn.differ;
    if (differs) this.#differ.add(number);
    if (!lost && !differs) {
      this.good++;
      this.goodBytes += bytes.length;
    }
    if (lost) this.lost++;
    for (const km of [this.#world.a, this.#world.b]) {
      if (lost && km.name === (number % 2 === 0 ? "a" : "b")) continue;
      const own = Buffer.from(bytes);
      if (differs && km.name === "b") own[0] = (own[0] as number) ^ 1;
      this.#waiting[km.name].set(number, { id, bytes: own });
      this.#deliver(km, number, this.#random() * 30);
    }
  }

  /** A node brings a key, and again until it hears `success`. */
  #deliver(km: SimKm, number: number, ms: number): void {
    this.#world.clock.after(ms, () => {
      const key = this.#waiting[km.name].get(number);
      if (key === undefined) return;
      if (km.alive) this.#supply(km, number, key);
      this.#deliver(km, number, 500 + this.#random() * 1_000);
    });
  }

  #supply(km: SimKm, number: number, { id, bytes }: { id: Buffer; bytes: Buffer }): void {
    const confirm = () => {
      if (this.#random() < this.#world.drawn.repeats) return;
      this.#waiting[km.name].delete(number);
    };
    const name = id.toString("latin1");
    if (km.knows(name)) {
      this.#world.count("repeated");
      // After what is on its way to the disk.
      return km.store.put("m", received([]), confirm);
    }
    km.supply(name, received([{ id, bits: bytes.length * 8, bytes }]), confirm);
  }

  /** All that a node still has is brought until it is confirmed. */
  deliverAll(): void {
    for (const km of [this.#world.a, this.#world.b]) {
      for (const number of this.#waiting[km.name].keys()) {
        this.#deliver(km, number, this.#random() * 1_000);
      }
    }
  }
}
