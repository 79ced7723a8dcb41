/** Relays of a key manager: its links as relays see them, the pairs that it fills, what is told of all of it. */
import { randomBytes } from "node:crypto";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { codes } from "../../wire/kx/names.ts";
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import type { More } from "../applications/keys.ts";
import { mayPass, pairPolicyOf, type RelayTable } from "../config/relay.ts";
import type { Engine } from "../io/engine/engine.ts";
import { KeyBits } from "../io/key-bits.ts";
import { RelayWay } from "../io/relay-way.ts";
import type { RelayStatus } from "../model/relay-status.ts";
import { RelayDesk } from "../relay/desk.ts";
import { schemeOf } from "../relay/modules.ts";
import { RelayPair } from "../relay/pair.ts";
import type { RelayTold, RelayWorld } from "../relay/ports.ts";
import { classOf } from "../relay/scheme.ts";
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
  /** A defect: the process ends. */
  readonly onFailure: (error: unknown) => void;
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
  #ticking: Timer | undefined;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    const { links, store, clock, config, log } = parts;
    this.#limit = LogLimit.of(log, clock);
    this.#bits = new KeyBits({ file: config.random_file, clock, log });
    for (const link of links)
      this.#ways.set(link.peer, new RelayWay(link, store, () => clock.now()));
    this.#desk = new RelayDesk(this.#world(), config.within);
    for (const link of links) {
      link.onRelay(
        (message) => this.#heard(link, message),
        () => this.#desk.down(link.peer),
      );
      if (link.relay === undefined) continue;
      const pair = new RelayPair({
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
      tell: (told) => this.#told(told),
      odd: (message) => this.#parts.log.debug("a message of a relay fits nothing", { message }),
    };
  }

  #heard({ peer }: LinkOfKm, message: RelayMessage): void {
    this.#desk.heard(this.#ways.get(peer) as RelayWay, message);
  }

  #told({ role, relay, scheme, path, length, ms, failure, at }: RelayTold): void {
    const count = this.#counts.get(role) ?? { relays: 0, failed: 0, bytes: 0 };
    this.#counts.set(role, count);
    const facts = { relay, as: role, scheme, route: path.join(" > "), bits: length * 8 };
    if (failure === undefined) {
      count.relays++;
      count.bytes += length;
      this.#parts.log.debug("relayed", { ...facts, ms: Math.round(ms) });
      return;
    }
    count.failed++;
    this.#limit.warn(`${role} ${path.join(" ")} ${failure}`, "a relay failed", {
      ...facts,
      failure,
      ...(at !== undefined && { failed_at: at }),
    });
  }

  /** More stock of a link for an application that waits. Undefined: nothing is relayed there. */
  demandOf(link: string): More | undefined {
    const pair = this.#pairs.get(link);
    return pair && ((bytes, done) => pair.demand(bytes, (end) => done(end === undefined)));
  }

  /** An operator wants so many bits more on a link. @returns false if nothing is relayed there */
  order(link: string, bits: number, by: string): boolean {
    const pair = this.#pairs.get(link);
    if (pair === undefined || !pair.begins) return false;
    this.#parts.log.info("keys are relayed on an order", { link, bits, by });
    pair.order(Math.ceil(bits / 8));
    return true;
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
    return {
      under_way: this.#desk.underWay,
      passed: passed("transit"),
      collected: passed("collector"),
      taken: passed("destination"),
      pairs: this.#parts.links.flatMap((link) => {
        const pair = this.#pairs.get(link.name);
        return pair === undefined ? [] : [pairStatus(link, pair)];
      }),
    };
  }

  async stop(): Promise<void> {
    this.#ticking?.cancel();
    await this.#bits.close();
  }
}

function pairStatus({ name, core }: LinkOfKm, pair: RelayPair): RelayStatus["pairs"][number] {
  const { lastFailure: last, counts } = pair;
  const stock = stockByScheme(core.books.stock);
  const schemes = codes.relayScheme.filter((scheme) => counts.has(scheme) || stock.has(scheme));
  return {
    link: name,
    under_way: pair.underWay,
    used_bits_per_s: Math.round(pair.usedRate),
    failed: pair.failed,
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
