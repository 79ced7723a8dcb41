/**
 * A life of two key managers and the link between them, from one seed: keys from modules at both ends,
 * applications that ask, repeat and vanish; crashes, cut connections, disks put back. First everything goes
 * wrong that was drawn; then all faults end, and both books must come to agree.
 */
import { isMatchUse } from "../../../src/km/matching/match-use.ts";
import type { LinkEvent } from "../../../src/km/peer/events.ts";
import type { KxMessage } from "../../../src/wire/kx/messages.ts";
import { random, streamSeed } from "../../random.ts";
import { Applications } from "./applications.ts";
import { Clockwork } from "./clockwork.ts";
import { type Drawn, drawWorld } from "./drawn.ts";
import { compareAtEnd } from "./end.ts";
import { type Meddle, SimNetwork } from "./network.ts";
import { KmOracle } from "./oracle.ts";
import type { Plant } from "./plants.ts";
import { QkdLink } from "./qkd-link.ts";
import { type Name, SimKm } from "./sim-km.ts";
import { ToldBytes } from "./told-bytes.ts";

export interface KmStory {
  /** What should never be, in words. */
  readonly broken: readonly string[];
  /** What was drawn, for the report. */
  readonly drawn: Drawn;
  /** How often what happened. */
  readonly counts: Readonly<Record<string, number>>;
}

/** @param keys QKD-keys of the life; @param plant a mistake that must be found */
export function kmStory(seed: number, keys: number, plant?: Plant): KmStory {
  return new World(seed, keys, plant).run();
}

export class World {
  readonly clock = new Clockwork();
  readonly drawn: Drawn;
  readonly a: SimKm;
  readonly b: SimKm;
  readonly oracle: KmOracle;
  readonly link: QkdLink;
  readonly network: SimNetwork;
  readonly applications: Applications;
  readonly restored = new Set<Name>();
  readonly toldBytes = new ToldBytes();
  /** QKD-keys that expired, at both ends together. */
  expired = 0;
  readonly counts: Record<string, number> = {};
  readonly #random: () => number;
  readonly #stops: () => number;
  /** Bytes are lost on a disk: a key of a master may be void at the other end. */
  readonly damage: boolean;
  readonly #orders: boolean;
  /** Faults may happen. */
  #faults = true;

  constructor(seed: number, keys: number, plant: Plant | undefined) {
    this.drawn = drawWorld(seed, plant && (plant.world ?? {}));
    this.damage = plant?.lose !== undefined;
    this.#orders = plant?.orders ?? false;
    this.#random = random(streamSeed(seed, "faults"));
    this.#stops = random(streamSeed(seed, "stops"));
    const bytes = random(streamSeed(seed, "bytes"));
    const draw = (length: number) => Buffer.from(Array.from({ length }, () => bytes() * 256));
    this.link = new QkdLink(this, keys, random(streamSeed(seed, "modules")), draw);
    this.oracle = new KmOracle(this.restored, (key) => this.link.differs(key));
    const policy = random(streamSeed(seed, "policy"));
    const km = (name: Name) =>
      new SimKm(name, {
        clock: this.clock,
        random: random(streamSeed(seed, `disk ${name}`)),
        draw,
        numberOf: (id) => this.link.numberOf(id),
        limits: this.drawn.limits,
        takes: plant === undefined ? this.drawn.takes[name] : (plant.takes ?? "witnessed"),
        oneTime:
          plant?.oneTime === "b alone"
            ? name === "b"
            : (plant?.oneTime ?? (plant === undefined && seed % 4 === 3)),
        tagged: ({ name: at }, key, text) => {
          this.count("one-time");
          this.oracle.tagged(at, key, text);
        },
        mayBind: (use) => isMatchUse(use) || policy() >= this.drawn.refusals,
        noSync: plant?.noSync,
        forgetful: plant?.forgetful ?? false,
        hasty: plant?.hasty ?? false,
        lose: name === "a" ? plant?.lose : undefined,
        told: (of, event) => {
          this.applications.told(of, event);
          this.#told(event);
        },
        plant: (link, of) => plant?.into?.(link, of, this),
      });
    this.a = km("a");
    this.b = km("b");
    const meddle: Meddle = plant?.meddle ?? ((message: KxMessage) => [message]);
    this.network = new SimNetwork(
      this.a,
      this.b,
      this.clock,
      random(streamSeed(seed, "network")),
      draw,
      meddle,
    );
    this.network.delay = this.drawn.delay;
    this.network.stale = plant?.stale ?? false;
    this.applications = new Applications(this, random(streamSeed(seed, "applications")));
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  #told(event: LinkEvent): void {
    this.count(event.type);
    this.toldBytes.heard(event);
    if (event.type === "odd" && event.message.startsWith("fate of")) {
      this.oracle.bad("L", event.message);
    }
    if (event.type === "expired") this.expired += event.keys;
    if (event.type !== "fate") return;
    this.count(`fate ${event.fate}`);
    // Policy may refuse an application that a pre-offer is assigned to, and an order may void it: no other key of a
    // master is void.
    const { refusals, preOffers } = this.drawn;
    const refused = preOffers > 0 && (refusals > 0 || this.#orders);
    const mayBe = this.restored.size > 0 || this.damage || refused;
    if (event.fate === "V" && !mayBe) this.oracle.voided(event.id);
  }

  run(): KmStory {
    try {
      this.#live();
    } catch (error) {
      // An assertion of the product's own that holds no more.
      this.oracle.bad("assertion", error instanceof Error ? (error.stack ?? error.message) : "?");
    }
    return { broken: this.oracle.broken, drawn: this.drawn, counts: this.counts };
  }

  #live(): void {
    this.link.begin();
    this.applications.begin();
    this.#nextFault();
    const { clock } = this;
    while (!this.link.done && this.oracle.broken.length === 0) clock.runUntil(clock.now + 1_000);
    clock.runUntil(clock.now + 5_000);
    this.#faults = false;
    this.network.allow(true);
    for (const km of [this.a, this.b]) if (!km.alive) km.start();
    this.applications.end();
    this.link.deliverAll();
    clock.runUntil(clock.now + this.drawn.healMs);
    if (this.oracle.broken.length === 0) compareAtEnd(this);
    this.count("sessions", this.network.sessions);
    for (const [type, count] of Object.entries(this.network.sent))
      this.count(`sent ${type}`, count);
    this.count("masters", this.oracle.masters);
    this.count("slaves", this.oracle.slaves);
    this.count("starts", this.a.life + this.b.life);
  }

  #nextFault(): void {
    const { meanMs, kinds } = this.drawn.faults;
    if (kinds.length === 0) return;
    this.clock.after(-Math.log(1 - this.#random()) * meanMs, () => {
      if (this.#faults) this.#fault();
      this.#nextFault();
    });
  }

  #fault(): void {
    const { kinds } = this.drawn.faults;
    const kind = kinds[Math.floor(this.#random() * kinds.length)];
    const km = this.#random() < 0.5 ? this.a : this.b;
    this.count(kind ?? "");
    if (kind === "cut") this.network.cut();
    else if (kind === "clog") this.#clog();
    else if (kind === "crash" && this.#stops() < this.drawn.stops) this.#stop(km);
    else if (kind === "crash") this.#crash(km, () => {});
    else if (kind === "copy") this.#copy(km);
    else if (kind === "restore") this.#restore(km);
  }

  #clog(): void {
    this.network.allow(false);
    this.clock.after(this.#random() * 3_000, () => this.network.allow(true));
  }

  #stop(km: SimKm): void {
    if (!km.alive) return;
    km.stop(() => {
      this.count("stops");
      this.network.cut();
      this.#startLater(km);
    });
  }

  #crash(km: SimKm, while_: () => void): void {
    if (!km.alive) return;
    km.die();
    this.network.cut();
    while_();
    this.#startLater(km);
  }

  #startLater(km: SimKm): void {
    this.clock.after(this.#random() * 1_000, () => {
      if (!km.alive) km.start();
    });
  }

  /** Of one KM only: two disks that are put back are outside of what a protocol between two can know. */
  #copy(km: SimKm): void {
    if (this.restored.size === 0 || this.restored.has(km.name)) km.disk.copy();
  }

  #restore(km: SimKm): void {
    const other = km === this.a ? "b" : "a";
    if (this.restored.has(other) || !km.alive) return;
    this.#crash(km, () => {
      if (km.disk.restore()) {
        this.restored.add(km.name);
        this.count("restores");
      }
    });
  }
}
