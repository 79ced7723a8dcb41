/**
 * A life of a network of key managers, from one seed: modules on its fibres, relays between others, applications that
 * ask; crashes, cuts, a disk put back, messages lost, doubled, late and changed. At its end all faults are over, and
 * the books of both ends of every link must come to agree.
 */

import { always } from "../../../src/base/wanted.ts";
import { oneTimeTag } from "../../../src/km/relay/one-time-mac.ts";
import type { PairPolicy } from "../../../src/km/relay/pair-parts.ts";
import type { RelayLink, RelayWorld } from "../../../src/km/relay/ports.ts";
import { tagKey } from "../../../src/km/relay/scheme.ts";
import { relayText } from "../../../src/wire/kx/codec.ts";
import type { Relay, RelayScheme } from "../../../src/wire/kx/relay-messages.ts";
import { random, streamSeed } from "../../random.ts";
import { received } from "../../rig/stored-keys.ts";
import { Clockwork } from "../km/clockwork.ts";
import { compareNet } from "./end.ts";
import { Line } from "./line.ts";
import { NetKm } from "./net-km.ts";
import { NetOracle } from "./oracle.ts";
import { type Edge, linkName, routesBetween } from "./shape.ts";

export interface NetPlant {
  readonly name: string;
  readonly way?: (way: RelayLink, km: NetKm) => RelayLink;
  readonly world?: (world: RelayWorld, km: NetKm) => RelayWorld;
  readonly noSync?: () => boolean;
  /** Who changes a message gives it the right tag. */
  readonly forges?: boolean;
  readonly faults?: Partial<NetFaults>;
}

export interface NetFaults {
  /** Mean time between faults of the whole network, ms; 0: none. */
  readonly meanMs: number;
  readonly kinds: readonly ("crash" | "cut" | "restore" | "copy")[];
  readonly lost: number;
  readonly doubled: number;
  readonly late: number;
  readonly changed: number;
}

export interface NetShape {
  readonly kms: readonly string[];
  readonly fibres: readonly Edge[];
  /** Pairs without fibre; the first is the source. */
  readonly pairs: readonly {
    readonly ends: Edge;
    readonly scheme: Exclude<RelayScheme, "aes">;
    readonly collector?: string;
    readonly aes?: boolean;
    /** KM IDs between, over links of any kind; missing: the shortest over fibres. */
    readonly routes?: readonly (readonly string[])[];
  }[];
}

export interface NetStory {
  readonly broken: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

const keyBytes = 256;
/** What was begun before has ended within this, ms. */
const restMs = 10_000;

export class NetWorld {
  readonly clock = new Clockwork();
  readonly oracle = new NetOracle();
  readonly kms = new Map<string, NetKm>();
  readonly lines: Line[] = [];
  readonly counts: Record<string, number> = {};
  readonly #shape: NetShape;
  readonly #faults: NetFaults;
  readonly #random: () => number;
  readonly #draw: (length: number) => Buffer;
  readonly #numbers = new Map<string, number>();
  /** Relays of which a message was changed; they may not succeed unless the change was of a copy. */
  readonly #changed = new Set<string>();
  readonly #kept = new Set<string>();
  readonly #harm;
  restored: string | undefined;
  /** KMs whose disks have no room for more keys. */
  readonly full = new Set<string>();
  #living = true;

  constructor(seed: number, shape: NetShape, faults: NetFaults, plant?: NetPlant) {
    this.#shape = shape;
    this.#faults = { ...faults, ...plant?.faults };
    this.#random = random(streamSeed(seed, "faults"));
    const bytes = random(streamSeed(seed, "bytes"));
    this.#draw = (length) => {
      const result = Buffer.alloc(length);
      for (let i = 0; i < length; i++) result[i] = bytes() * 256;
      return result;
    };
    const { lost, doubled, late, changed } = this.#faults;
    this.#harm = { lost, doubled, late, changed };
    for (const id of shape.kms) this.kms.set(id, this.#km(seed, id, plant));
    const edges = [...shape.fibres, ...this.#farEdges()];
    for (const [i, [a, b]] of edges.entries()) {
      const line = new Line([this.kms.get(a) as NetKm, this.kms.get(b) as NetKm], {
        clock: this.clock,
        random: random(streamSeed(seed, `line ${i}`)),
        draw: this.#draw,
        harm: this.#harm,
        sent: (from, to, message) => this.oracle.sent(linkName(from, to), message),
        changed: (before, after, from, to) => {
          this.count("changed");
          this.#changed.add(before.relay.toString("hex"));
          return plant?.forges === true ? this.#forged(after, from, to) : after;
        },
      });
      this.lines.push(line);
    }
  }

  /** Who speaks to whom without fibre: pairs, and those that send or get XORs. */
  #farEdges(): Edge[] {
    const all = new Map<string, Edge>();
    const near = new Set(this.#shape.fibres.map(([a, b]) => linkName(a, b)));
    const add = (a: string, b: string) => {
      if (!near.has(linkName(a, b))) all.set(linkName(a, b), a < b ? [a, b] : [b, a]);
    };
    for (const { ends } of this.#shape.pairs) add(...ends);
    return [...all.values()];
  }

  #km(seed: number, id: string, plant: NetPlant | undefined): NetKm {
    const { fibres, pairs } = this.#shape;
    const near = fibres.flatMap(([a, b]) => (a === id ? [b] : b === id ? [a] : []));
    const far = new Map<string, PairPolicy | undefined>();
    for (const [a, b] of this.#farEdges()) {
      if (a === id || b === id) far.set(a === id ? b : a, undefined);
    }
    for (const { ends, scheme, collector, aes = false, routes: given } of pairs) {
      if (ends[0] !== id) continue;
      const routes =
        given ??
        routesBetween(fibres, ends[0], ends[1], 3)
          .filter((route) => collector === undefined || !route.includes(collector))
          .map((route) => route.slice(1, -1));
      far.set(ends[1], {
        routes,
        routing: "configuration",
        scheme,
        collector,
        aes,
        pool: { kind: "adaptive", low: 6_400 },
        high: 51_200,
        batch: 192,
      });
    }
    return new NetKm({
      id,
      clock: this.clock,
      random: random(streamSeed(seed, `disk ${id}`)),
      draw: this.#draw,
      numberOf: (key) => this.#numberOf(key),
      fibres: near,
      far,
      withinMs: 1_500,
      matchMs: 20_000,
      told: (_km, { role, failure, scheme, relay, at }) => {
        this.count(`${role} ${failure ?? "done"}`);
        if (failure === undefined) this.count(`${role} ${scheme}`);
        if (role === "destination" && failure === undefined) {
          if (this.#kept.has(relay)) this.oracle.bad("S2", `${relay} was kept twice`);
          this.#kept.add(relay);
        }
        if (role !== "source") return;
        if (failure !== undefined && at === undefined) {
          this.oracle.bad("L", `where ${relay} failed`);
        }
        // Where nothing is doubled the message that was changed is the only one.
        if (failure === undefined && this.#faults.doubled === 0 && this.#changed.has(relay)) {
          this.oracle.bad("S3", `${relay} was changed, and done`);
        }
      },
      event: (km, peer, event) => {
        if (event.type === "differs") this.count("differs");
        if (event.type !== "use" || event.request === undefined) return;
        // All that is read is bound first: by its row, so also what a crash left unread.
        if ("ST".includes(event.state)) {
          for (const { id, ranges } of event.keys) this.#bound(km, peer, id, ranges);
        }
      },
      plant: plant?.way,
      plantWorld: plant?.world,
      noSync: plant?.noSync,
      isFull: () => this.full.has(id),
    });
  }

  #bound(km: NetKm, peer: string, id: string, ranges: Parameters<NetStoreCells>[0]): void {
    const cells = km.link(peer)?.store.cells(ranges);
    if (cells !== undefined) this.oracle.read(linkName(km.id, peer), id, cells.origins);
  }

  /** As if the tag were no secret of both ends. */
  #forged(message: Relay, from: string, to: string): Relay {
    const link = this.kms.get(from)?.link(to);
    const use = link?.core.books.uses.get(message.pad.toString("hex"));
    const pad = use && link?.store.cells(use.ranges)?.bytes;
    if (pad === undefined) return message;
    return { ...message, tag: oneTimeTag(tagKey(pad), ...relayText(message)) };
  }

  #numberOf(id: Uint8Array): number {
    const name = Buffer.from(id).toString("latin1");
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#numbers.size + 1);
    return this.#numbers.size;
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  /** @param ms that faults happen for; @param healMs without any, after that */
  run(ms: number, healMs: number): NetStory {
    try {
      this.#modules();
      this.#applications();
      this.#nextFault();
      this.clock.runUntil(ms);
      this.#living = false;
      for (const name of ["lost", "doubled", "late", "changed"] as const) this.#harm[name] = 0;
      for (const line of this.lines) line.allow(true);
      for (const km of this.kms.values()) if (!km.alive) km.start();
      this.clock.runUntil(ms + healMs - restMs);
      // No module brings pads any more: a pool that has found none for a hop tries for ever, and may at the very end.
      for (const km of this.kms.values()) km.pairs.clear();
      this.clock.runUntil(ms + healMs);
      if (this.oracle.broken.length === 0) compareNet(this);
    } catch (error) {
      this.oracle.bad("assertion", error instanceof Error ? (error.stack ?? error.message) : "?");
    }
    const { masters, slaves, messages } = this.oracle;
    return { broken: this.oracle.broken, counts: { ...this.counts, masters, slaves, messages } };
  }

  /** Both modules of each fibre bring the same keys, again and again until the end. */
  #modules(): void {
    for (const [a, b] of this.#shape.fibres) {
      const make = () => {
        if (!this.#living) return;
        const id = this.#draw(16);
        const bytes = this.#draw(keyBytes);
        for (const [km, other] of [
          [a, b],
          [b, a],
        ] as const) {
          this.#supply(km, other, id, bytes);
        }
        this.clock.after(100 + this.#random() * 100, make);
      };
      for (let i = 0; i < 8; i++)
        this.clock.after(
          this.#random() * 50,
          i === 0
            ? make
            : () => {
                const id = this.#draw(16);
                const bytes = this.#draw(keyBytes);
                this.#supply(a, b, id, bytes);
                this.#supply(b, a, id, bytes);
              },
        );
    }
  }

  #supply(at: string, peer: string, id: Buffer, bytes: Buffer): void {
    const km = this.kms.get(at) as NetKm;
    const attempt = () => {
      const link = km.alive && !this.full.has(at) ? km.link(peer) : undefined;
      const name = id.toString("latin1");
      if (link === undefined || link.intake.knows(name)) {
        if (link === undefined) this.clock.after(300, attempt);
        return;
      }
      let isDone = false;
      const key = received([{ id, bits: bytes.length * 8, bytes }]);
      link.intake.supply(name, key, link.stored, () => {
        isDone = true;
      });
      const { life } = km;
      // The node repeats what was not answered before a crash.
      this.clock.after(500, () => {
        if (!isDone || km.life !== life) attempt();
      });
    };
    this.clock.after(this.#random() * 20, attempt);
  }

  #applications(): void {
    const { pairs } = this.#shape;
    const next = () => {
      if (!this.#living) return;
      const pair = pairs[Math.floor(this.#random() * pairs.length)];
      const [a, b] = pair?.ends ?? ["", ""];
      this.#ask(...((this.#random() < 0.5 ? [a, b] : [b, a]) as [string, string]));
      this.clock.after(-Math.log(1 - this.#random()) * 60, next);
    };
    next();
  }

  #ask(from: string, to: string): void {
    const km = this.kms.get(from) as NetKm;
    const link = km.alive ? km.link(to) : undefined;
    if (link === undefined) return;
    const use = JSON.stringify([`app-${from}`, `app-${to}`]);
    const deadline = this.clock.now + 1_000;
    const name = linkName(from, to);
    const request = {
      use,
      keys: 1,
      length: 16 + Math.floor(this.#random() * 32),
      pickUp: 5,
      deadline,
    };
    const { life } = km;
    link.core.owner.request(request, (result) => {
      if (typeof result === "string") {
        this.count(`short ${result}`);
        if (result === "stock") km.pairs.get(to)?.demand(request.length, always, () => {});
        return;
      }
      for (const { id, ranges } of result) {
        const cells = link.store.cells(ranges);
        if (cells === undefined) continue;
        this.oracle.handed(name, id, `${from} ${life} master`.replace(/ \d+ /, " "), cells.bytes);
        this.clock.after(this.#random() * 300, () => this.#fetch(to, from, use, id));
      }
    });
  }

  #fetch(at: string, from: string, use: string, id: string): void {
    const km = this.kms.get(at) as NetKm;
    const link = km.alive ? km.link(from) : undefined;
    if (link === undefined) return;
    link.core.peer.take(use, [id], this.clock.now + 1_000, (result) => {
      if (typeof result === "string") return this.count(`fetch ${result}`);
      for (const key of result) {
        const cells = link.store.cells(key.ranges);
        if (cells === undefined) continue;
        this.oracle.handed(linkName(at, from), id, `${at} slave`, cells.bytes);
      }
    });
  }

  #nextFault(): void {
    const { meanMs, kinds } = this.#faults;
    if (meanMs === 0 || kinds.length === 0) return;
    this.clock.after(-Math.log(1 - this.#random()) * meanMs, () => {
      if (!this.#living) return;
      this.#fault(kinds[Math.floor(this.#random() * kinds.length)] as NetFaults["kinds"][number]);
      this.#nextFault();
    });
  }

  #fault(kind: NetFaults["kinds"][number]): void {
    this.count(kind);
    const all = [...this.kms.values()];
    const km = all[Math.floor(this.#random() * all.length)] as NetKm;
    if (kind === "cut") {
      const line = this.lines[Math.floor(this.#random() * this.lines.length)] as Line;
      line.allow(false);
      this.clock.after(this.#random() * 1_000, () => line.allow(true));
    } else if (kind === "copy") {
      // One KM of the network: each pair of disks has one that was not put back.
      this.restored ??= km.id;
      if (km.id === this.restored) for (const disk of km.disks) disk.copy();
    } else if (kind === "crash") this.crash(km);
    else if (km.id === this.restored && km.alive) {
      this.crash(km, () => {
        for (const disk of km.disks) if (disk.restore()) this.count("restores");
      });
    }
  }

  crash(km: NetKm, while_: () => void = () => {}): void {
    if (!km.alive) return;
    km.die();
    for (const line of this.lines) if (line.ends.includes(km)) line.cut();
    while_();
    this.clock.after(this.#random() * 800, () => {
      if (!km.alive) km.start();
    });
  }
}

type NetStoreCells = (ranges: readonly { extent: number; start: number; end: number }[]) => unknown;
