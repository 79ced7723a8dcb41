/** A key manager with several links and its relays, in simulated time: it starts from its disks, dies, starts again. */
import { RelayWay } from "../../../src/km/io/relay-way.ts";
import { KmLink } from "../../../src/km/link/link.ts";
import { usualLimits } from "../../../src/km/peer/context.ts";
import type { LinkEvent } from "../../../src/km/peer/events.ts";
import { RelayDesk } from "../../../src/km/relay/desk.ts";
import { relayModules } from "../../../src/km/relay/modules.ts";
import { RelayPair } from "../../../src/km/relay/pair.ts";
import type { PairPolicy } from "../../../src/km/relay/pair-parts.ts";
import {
  isRelayUse,
  type RelayLink,
  type RelayTold,
  type RelayWorld,
} from "../../../src/km/relay/ports.ts";
import type { BufferedKeys } from "../../../src/km/store/buffered.ts";
import type { Clockwork } from "../km/clockwork.ts";
import { SimIntake } from "../km/sim-intake.ts";
import { SimDisk, SimStore } from "../km/sim-store.ts";

export interface NetLink {
  readonly name: string;
  readonly peer: string;
  readonly core: KmLink;
  readonly store: SimStore;
  readonly intake: SimIntake;
  stored(keys: BufferedKeys): void;
}

export interface NetKmOptions {
  readonly id: string;
  readonly clock: Clockwork;
  readonly random: () => number;
  readonly draw: (length: number) => Buffer;
  readonly numberOf: (id: Uint8Array) => number;
  /** Neighbours by fibre. */
  readonly fibres: readonly string[];
  /** Others that it speaks to; what it relays to them, if anything. */
  readonly far: ReadonlyMap<string, PairPolicy | undefined>;
  readonly withinMs: number;
  readonly matchMs: number;
  told(km: NetKm, event: RelayTold): void;
  event(km: NetKm, peer: string, event: LinkEvent): void;
  /** A planted mistake is put into each way that is made. */
  readonly plant?: ((way: RelayLink, km: NetKm) => RelayLink) | undefined;
  readonly plantWorld?: ((world: RelayWorld, km: NetKm) => RelayWorld) | undefined;
  readonly noSync?: (() => boolean) | undefined;
  /** Its disks have no room for more keys. */
  readonly isFull?: (() => boolean) | undefined;
}

export class NetKm {
  readonly id: string;
  readonly #options: NetKmOptions;
  readonly #disks = new Map<string, SimDisk>();
  readonly #links = new Map<string, NetLink>();
  pairs = new Map<string, RelayPair>();
  desk!: RelayDesk;
  alive = false;
  life = 0;
  #plain: RelayWay[] = [];

  constructor(options: NetKmOptions) {
    this.id = options.id;
    this.#options = options;
    for (const peer of [...options.fibres, ...options.far.keys()]) {
      this.#disks.set(peer, new SimDisk());
    }
    this.start();
  }

  get links(): Iterable<NetLink> {
    return this.#links.values();
  }

  get disks(): Iterable<SimDisk> {
    return this.#disks.values();
  }

  link(peer: string): NetLink | undefined {
    return this.#links.get(peer);
  }

  start(): void {
    const { clock, draw, far, withinMs, told, plantWorld } = this.#options;
    const life = ++this.life;
    this.alive = true;
    this.#links.clear();
    this.#plain = [];
    const ways = new Map<string, RelayLink>();
    const incarnation = draw(16);
    for (const [peer, disk] of this.#disks) {
      const link = this.#open(peer, disk, incarnation, life);
      this.#links.set(peer, link);
      const way = new RelayWay(link, link.store, () => clock.now);
      this.#plain.push(way);
      ways.set(peer, this.#options.plant?.(way, this) ?? way);
    }
    const world: RelayWorld = {
      me: this.id,
      link: (peer) => ways.get(peer),
      now: () => clock.now,
      wall: () => clock.now,
      random: draw,
      keyBits: (length, done) => done(draw(length)),
      mayPass: () => true,
      mayKeep: () => true,
      tell: (event) => {
        const { role, failure, relay, scheme, path } = event;
        const far = path.at(-1) as string;
        if (role === "source" && failure === undefined) {
          this.pairs.get(far)?.kept(relay, { scheme, via: path.slice(1, -1) });
        }
        told(this, event);
      },
      odd: () => {},
    };
    this.desk = new RelayDesk(plantWorld?.(world, this) ?? world, withinMs);
    this.pairs = new Map();
    for (const [peer, policy] of far) {
      if (policy === undefined) continue;
      const pair = new RelayPair({
        me: this.id,
        pads: (next) => {
          const books = this.#links.get(next)?.core.books;
          return books?.stock.free(books.side) ?? 0;
        },
        wantPads: (next) => this.#links.get(next)?.core.ask(),
        far: ways.get(peer) as RelayLink,
        policy,
        stock: () => {
          const { core } = this.#links.get(peer) as NetLink;
          const { stock } = core.books;
          return core.bufferedBytes + stock.opening + stock.free(0) + stock.free(1);
        },
        begin: (order, done) => this.desk.begin(order, done),
        now: () => clock.now,
        wall: () => clock.now,
      });
      this.pairs.set(peer, pair);
    }
    this.#tick(life);
  }

  #open(peer: string, disk: SimDisk, incarnation: Buffer, life: number): NetLink {
    const { clock, random, draw, numberOf, far, matchMs, event, noSync, isFull } = this.#options;
    const store = new SimStore(disk, { clock, random, numberOf, span: 1_024, noSync, isFull });
    const { rows, buffered, extents } = store.load();
    const intake = new SimIntake(store, buffered);
    const name = peer;
    const modules = far.has(peer)
      ? relayModules(name)
      : [{ module: "m", ids: ["QKD-1", "QKD-2"] as const }];
    const core = new KmLink(
      {
        link: name,
        me: this.id,
        peer,
        modules,
        limits: { ...usualLimits, unit: 32, matchMs, lowWater: 256 },
        takes: "witnessed",
        incarnation,
      },
      {
        store: intake.leaving,
        now: () => clock.now,
        wall: () => clock.now,
        random: draw,
        soon: (fn) => clock.soon(() => this.alive && this.life === life && fn()),
        tell: (told) => {
          this.pairs.get(peer)?.told(told);
          event(this, peer, told);
          if (told.type !== "ready") return;
          for (const pair of this.pairs.values()) pair.linkReady(peer);
        },
        mayBind: (use) => use === undefined || isRelayUse(use) || use.startsWith("["),
        left: (_module, ids) => intake.left(ids),
        relay: (message) => {
          const way = this.#ways(peer);
          if (way !== undefined) this.desk.heard(way, message);
        },
      },
      rows,
      buffered,
      new Set(extents.map(({ number }) => number)),
    );
    return { name, peer, core, store, intake, stored: (keys) => core.stored(keys) };
  }

  readonly #heardBy = new Map<string, { way: RelayLink; life: number }>();

  /** The desk tells links apart by identity. */
  #ways(peer: string): RelayLink | undefined {
    const known = this.#heardBy.get(peer);
    if (known?.life === this.life) return known.way;
    const link = this.#links.get(peer);
    if (link === undefined) return undefined;
    const { clock } = this.#options;
    const plain = new RelayWay(link, link.store, () => clock.now);
    const way = this.#options.plant?.(plain, this) ?? plain;
    this.#heardBy.set(peer, { way, life: this.life });
    return way;
  }

  #tick(life: number): void {
    this.#options.clock.after(100, () => {
      if (!this.alive || this.life !== life) return;
      for (const { core } of this.#links.values()) core.tick();
      this.desk.tick();
      for (const pair of this.pairs.values()) pair.tick();
      for (const way of this.#plain) way.prepare();
      this.#tick(life);
    });
  }

  down(peer: string): void {
    this.#links.get(peer)?.core.down();
    for (const way of this.#plain) if (way.peer === peer) way.down();
    this.desk.down(peer);
  }

  die(): void {
    this.alive = false;
    for (const { store } of this.#links.values()) store.die();
  }
}
