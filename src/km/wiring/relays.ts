/** Relays of a key manager: its links as relays see them, the pairs that it fills, what is told of all of it. */
import { randomBytes } from "node:crypto";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import type { Service } from "../../wire/ck/names.ts";
import { codes } from "../../wire/kx/names.ts";
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import type { More } from "../applications/keys.ts";
import { mayPass, pairPolicyOf, type RelayTable } from "../config/relay.ts";
import { NextHops } from "../controllers/next-hops.ts";
import type { OrderWorld } from "../controllers/orders.ts";
import type { Engine } from "../io/engine/engine.ts";
import { KeyBits } from "../io/key-bits.ts";
import { RelayWay } from "../io/relay-way.ts";
import type { RelayStatus } from "../model/relay-status.ts";
import { RelayDesk } from "../relay/desk.ts";
import { schemeOf } from "../relay/modules.ts";
import { RelayPair } from "../relay/pair.ts";
import type { TellRelay } from "../relay/pair-parts.ts";
import type { EndedRelays, RelayTold, RelayWorld } from "../relay/ports.ts";
import { classOf } from "../relay/scheme.ts";
import type { ReservedKey } from "../relay/source.ts";
import { freeOf } from "../store/regions.ts";
import type { Stock } from "../store/stock.ts";
import type { LinkOfKm } from "./links.ts";

export interface RelayParts {
  readonly me: string;
  readonly config: RelayTable & { readonly within: number };
  readonly links: readonly LinkOfKm[];
  readonly store: Engine;
  readonly clock: Clock;
  readonly log: Log;
  /** Asks a controller for the way to a KM; see `Controllers.route`. */
  readonly route?: (
    km: string,
    pair: RelayPair,
    bytes: number,
    then: (tell?: TellRelay) => void,
  ) => void;
  /** What controllers said before a restart. */
  readonly known?: KnownRoutes;
  /** The next hops to a KM, as a controller says; see `Controllers.nextHops`. */
  readonly nextHops?: (source: string, destination: string) => Promise<readonly string[]>;
  /** A relay ended. */
  readonly told?: (relay: RelayTold) => void;
  /** A defect: the process ends. */
  readonly onFailure: (error: unknown) => void;
}

/** What controllers said of this KM's pairs and links, by KM ID. */
export interface KnownRoutes {
  readonly routes: Readonly<Record<string, readonly (readonly string[])[]>>;
  readonly services: Readonly<Record<string, Service>>;
}

const tickMs = 100;

export class Relays {
  readonly #parts: RelayParts;
  readonly #ways = new Map<string, RelayWay>();
  readonly #desk: RelayDesk;
  readonly #pairs = new Map<string, RelayPair>();
  readonly #limit: LogLimit;
  readonly #counts = new Map<string, { relays: number; failed: number; bytes: number }>();
  readonly #bits: KeyBits;
  readonly #hops: NextHops;
  #ticking: Timer | undefined;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    const { links, store, clock, config, log } = parts;
    this.#limit = LogLimit.of(log, clock);
    this.#bits = new KeyBits({ file: config.random_file, clock, log });
    for (const link of links) {
      const way = new RelayWay(link, store, () => clock.now());
      way.service = parts.known?.services[link.peer] ?? "in_service";
      this.#ways.set(link.peer, way);
    }
    const { nextHops = async () => [] } = parts;
    this.#hops = new NextHops({ now: () => clock.now(), ask: nextHops });
    this.#desk = new RelayDesk(this.#world(), config.within);
    for (const link of links) {
      link.onRelay(
        (message) => this.#heard(link, message),
        () => {
          this.#ways.get(link.peer)?.down();
          this.#desk.down(link.peer);
        },
        (event) => {
          this.#pairs.get(link.name)?.told(event);
          if (event.type !== "ready") return;
          for (const pair of this.#pairs.values()) pair.linkReady(link.peer);
        },
      );
      if (link.relay === undefined) continue;
      const { peer } = link;
      const { route, known } = parts;
      const pair: RelayPair = new RelayPair({
        me: parts.me,
        ...(known?.routes[peer] && { known: known.routes[peer] }),
        ...(route && { ask: (bytes, then) => route(peer, pair, bytes, then) }),
        isReserved: (next) => this.#ways.get(next)?.service === "reserved",
        pads: (next) => this.#ways.get(next)?.free ?? 0,
        wantPads: (next) => this.#ways.get(next)?.want(),
        far: this.#ways.get(link.peer) as RelayWay,
        policy: pairPolicyOf(link.relay),
        stock: () => link.bytes,
        begin: (order, done) => this.#desk.begin(order, done),
        now: () => clock.now(),
        wall: () => clock.wall(),
      });
      this.#pairs.set(link.name, pair);
    }
  }

  #world(): RelayWorld {
    const { me, config, links, clock } = this.#parts;
    return {
      me,
      link: (peer) => this.#ways.get(peer),
      now: () => clock.now(),
      wall: () => clock.wall(),
      random: (length) => randomBytes(length),
      keyBits: (length, done) => this.#bits.draw(length, done),
      mayPass: (...which) => mayPass(config, ...which),
      mayKeep: (source, scheme) => {
        const table = links.find(({ peer }) => peer === source)?.relay;
        return table !== undefined && (classOf(scheme) === "otp" || table.aes);
      },
      extend: (path, done) => this.#extend(path, done),
      tell: (told) => this.#told(told),
      odd: (message) => this.#parts.log.debug("a message of a relay fits nothing", { message }),
    };
  }

  /** Only the end of the way is told, and no fibre leads there: a controller knows the next KM. */
  #extend(path: readonly string[], done: (next: string | undefined) => void): boolean {
    const { me, config, links } = this.#parts;
    const destination = path.at(-1);
    const isOpen = config.next_hop && path[path.indexOf(me) + 1] === destination;
    if (!isOpen || links.some(({ peer, isRelayed }) => peer === destination && !isRelayed)) {
      return false;
    }
    this.#hops.after(path, (next) => {
      try {
        done(next);
      } catch (error) {
        this.#parts.onFailure(error);
      }
    });
    return true;
  }

  #heard({ peer }: LinkOfKm, message: RelayMessage): void {
    this.#desk.heard(this.#ways.get(peer) as RelayWay, message);
  }

  #told(told: RelayTold): void {
    this.#parts.told?.(told);
    const { role, relay, scheme, path, length, ms, failure, at } = told;
    const count = this.#counts.get(role) ?? { relays: 0, failed: 0, bytes: 0 };
    this.#counts.set(role, count);
    const facts = { relay, as: role, scheme, route: path.join(" > "), bits: length * 8 };
    if (failure === undefined) {
      count.relays++;
      count.bytes += length;
      const via = path.slice(1, -1);
      if (role === "source") this.pairTo(path.at(-1) as string)?.kept(relay, { scheme, via });
      this.#parts.log.debug("relayed", { ...facts, ms: Math.round(ms) });
      return;
    }
    count.failed++;
    if (role === "transit") this.#hops.failed(path);
    this.#limit.warn(`${role} ${path.join(" ")} ${failure}`, "a relay failed", {
      ...facts,
      failure,
      ...(at !== undefined && { failed_at: at }),
    });
  }

  /** More stock of a link for an application that waits. Undefined: nothing is relayed there. */
  demandOf(link: string): More | undefined {
    const pair = this.#pairs.get(link);
    return (
      pair &&
      ((bytes, isWanted, done) => pair.demand(bytes, isWanted, (end) => done(end === undefined)))
    );
  }

  /** An operator wants so many bits more on a link. @returns why nothing is ordered; undefined: it is */
  order(link: string, bits: number, by: string): string | undefined {
    const pair = this.#pairs.get(link);
    if (pair === undefined || !pair.begins) {
      return "nothing is relayed for a link of this name from here";
    }
    if (!pair.order(Math.ceil(bits / 8))) {
      const { room, policy } = pair;
      const limit = `link.${link}.relay.high_bits is ${policy.high}`;
      return `${limit}: beside what is there, on its way and ordered it leaves room for ${room * 8} bits`;
    }
    this.#parts.log.info("keys are relayed on an order", { link, bits, by });
    return undefined;
  }

  /** See {@link RelayDesk.giveUpTo}. */
  giveUpTo(...order: Parameters<RelayDesk["giveUpTo"]>): EndedRelays {
    return this.#desk.giveUpTo(...order);
  }

  /** See {@link RelayDesk.giveUpNamed}. */
  giveUpNamed(relays: ReadonlySet<string>): EndedRelays {
    return this.#desk.giveUpNamed(relays);
  }

  /** What is relayed to a KM. */
  pairTo(km: string): RelayPair | undefined {
    const link = this.#parts.links.find(({ peer }) => peer === km);
    return link && this.#pairs.get(link.name);
  }

  get pairs(): Iterable<RelayPair> {
    return this.#pairs.values();
  }

  get underWay(): number {
    return this.#desk.underWay;
  }

  hasLink(km: string): boolean {
    return this.#ways.has(km);
  }

  /** See `OrderWorld`. */
  reserve(...[km, next, bytes, done]: Parameters<OrderWorld["reserve"]>): void {
    const far = this.#ways.get(km);
    if (far === undefined) return done({ failure: "route", at: this.#parts.me });
    const order = { far, via: [next], scheme: "case-1", length: bytes } as const;
    this.#desk.reserve(order, (reserved) => {
      if ("failure" in reserved) return done(reserved);
      done({ keyId: nameOf(reserved) });
    });
  }

  /** See `OrderWorld`. */
  allocate(...[keyId, km, done]: Parameters<OrderWorld["allocate"]>): boolean {
    const reserved = reservedOf(keyId);
    return reserved !== undefined && this.#desk.allocate(reserved.relay, km, done);
  }

  /** See `OrderWorld`. */
  relayReserved(...[keyId, path, done]: Parameters<OrderWorld["relayReserved"]>): void {
    const reserved = reservedOf(keyId);
    if (reserved === undefined) return done({ failure: "pad", at: this.#parts.me }, 0);
    this.#desk.relayReserved({ ...reserved, path }, done);
  }

  /** A link takes part in relays, or not. @returns false if no link with modules leads to this KM */
  serve(km: string, service: Service): boolean {
    const way = this.#ways.get(km);
    const link = this.#parts.links.find(({ peer }) => peer === km);
    if (way === undefined || link === undefined || link.isRelayed) return false;
    way.service = service;
    return true;
  }

  /** @param name of the link */
  serviceOf(name: string): Service {
    const link = this.#parts.links.find((one) => one.name === name);
    return (link && this.#ways.get(link.peer)?.service) ?? "in_service";
  }

  /** What controllers said, to be known after a restart. */
  get known(): KnownRoutes {
    const routes: Record<string, readonly (readonly string[])[]> = {};
    const services: Record<string, Service> = {};
    for (const { peer, name } of this.#parts.links) {
      const given = this.#pairs.get(name)?.ways.given ?? [];
      if (given.length > 0) routes[peer] = given;
      const service = this.serviceOf(name);
      if (service !== "in_service") services[peer] = service;
    }
    return { routes, services };
  }

  start(): void {
    this.#ticking = every(this.#parts.clock, tickMs, () => {
      try {
        this.#desk.tick();
        for (const pair of this.#pairs.values()) pair.tick();
        for (const way of this.#ways.values()) way.prepare();
      } catch (error) {
        this.#parts.onFailure(error);
      }
    });
  }

  status(): RelayStatus {
    const as = (role: string) => this.#counts.get(role) ?? { relays: 0, failed: 0, bytes: 0 };
    const passed = (role: string) => {
      const { relays, failed, bytes } = as(role);
      return { relays, failed, bits: bytes * 8 };
    };
    const { clock } = this.#parts;
    const services = this.#parts.links.flatMap(({ name: link }) => {
      const service = this.serviceOf(link);
      return service === "in_service" ? [] : [{ link, service }];
    });
    return {
      ...(services.length > 0 && { services }),
      under_way: this.#desk.underWay,
      passed: passed("transit"),
      collected: passed("collector"),
      taken: passed("destination"),
      pairs: this.#parts.links.flatMap((link) => {
        const pair = this.#pairs.get(link.name);
        return pair === undefined ? [] : [pairStatus(link, pair, clock.now())];
      }),
    };
  }

  async stop(): Promise<void> {
    this.#ticking?.cancel();
    await this.#bits.close();
  }
}

const idBytes = 16;
const timeBytes = 6;

/** The ID of a reserved key on Ck. */
function nameOf({ relay, pad, time }: ReservedKey): string {
  const at = Buffer.alloc(timeBytes);
  at.writeUIntBE(time, 0, timeBytes);
  return Buffer.concat([relay, pad, at]).toString("hex");
}

/** What names a reserved key, of its ID on Ck. */
function reservedOf(keyId: string): ReservedKey | undefined {
  if (!/^[0-9a-f]{76}$/.test(keyId)) return undefined;
  const bytes = Buffer.from(keyId, "hex");
  return {
    relay: bytes.subarray(0, idBytes),
    pad: bytes.subarray(idBytes, 2 * idBytes),
    time: bytes.readUIntBE(2 * idBytes, timeBytes),
  };
}

function pairStatus(
  { name, core }: LinkOfKm,
  pair: RelayPair,
  now: number,
): RelayStatus["pairs"][number] {
  const { lastFailure: last, counts } = pair;
  const stock = stockByScheme(core.books.stock);
  const schemes = codes.relayScheme.filter((scheme) => counts.has(scheme) || stock.has(scheme));
  const [route] = pair.ways.list(now);
  return {
    link: name,
    scheme: pair.policy.scheme,
    routing: pair.ways.routing,
    ...(route !== undefined && { route }),
    under_way: pair.underWay,
    used_bits_per_s: Math.round(pair.usedRate),
    failed: pair.failed,
    ...(pair.low !== undefined && { low_bits: Math.round(pair.low * 8) }),
    ...(pair.failingSince !== undefined && {
      failing_since: new Date(pair.failingSince).toISOString(),
    }),
    methods: schemes.map((scheme) => {
      const { relays, bytes, cost } = counts.get(scheme) ?? { relays: 0, bytes: 0, cost: 0 };
      const there = { scheme, stock_bits: (stock.get(scheme) ?? 0) * 8 };
      return { ...there, relays, bits: bytes * 8, pad_bits: cost * 8 };
    }),
    ...(last && {
      last_failure: {
        failure: last.failure,
        at: last.at,
        route: last.route,
        time: new Date(last.wall).toISOString(),
      },
    }),
  };
}

/** Free bytes of each scheme, of both owners. */
function stockByScheme({ extents }: Stock): Map<string, number> {
  const stock = new Map<string, number>();
  for (const { facts, regions, open } of extents.values()) {
    const scheme = schemeOf(facts.modules[0]);
    if (scheme === undefined || !open) continue;
    const free = freeOf(regions, 0) + freeOf(regions, 1);
    stock.set(scheme, (stock.get(scheme) ?? 0) + free);
  }
  return stock;
}
