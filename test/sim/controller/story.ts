/**
 * A life of a network under one controller, from one seed, in virtual time: key managers report and ask, fibres fail
 * and come back, alarms are raised, connections are lost, the controller is killed and begins anew. At its end all is
 * well for a while, and every pair must have its fair share.
 */
import { Controller } from "../../../src/controller/core/controller.ts";
import { nothingSaved, type Saved, type SavedTable } from "../../../src/controller/core/world.ts";
import {
  type ControllerPolicy,
  defaultRules,
  type Rules,
} from "../../../src/controller/policy/network.ts";
import { nameOf } from "../../../src/controller/topology/names.ts";
import { refusalOf, transitOf } from "../../../src/wire/ck/check.ts";
import type { CkCommand, CkMessage, CkMessageOf } from "../../../src/wire/ck/messages.ts";
import { linkExtension } from "../../../src/wire/ck/report.ts";
import { type Random, random, streamSeed } from "../../random.ts";
import { Clockwork } from "../km/clockwork.ts";
import { compareShares } from "./end.ts";
import { Fibre } from "./fibre.ts";
import { Oracle } from "./oracle.ts";
import type { Shape } from "./shape.ts";
import { Truth } from "./truth.ts";
import { wallAt, wallStart } from "./wall.ts";

export interface Faults {
  /** Mean time between faults of the whole network, ms; 0: none. */
  readonly meanMs: number;
  readonly kinds: readonly ("down" | "alarm" | "detach" | "kill")[];
}

export interface Plant {
  readonly name: string;
  readonly rules?: Partial<Rules>;
  /** Changes what the controller answers. */
  readonly answer?: (answer: CkMessage, km: string, random: Random) => CkMessage;
}

export interface StoryOptions {
  readonly shape: Shape;
  readonly mode: ControllerPolicy["mode"];
  readonly faults: Faults;
  readonly plant?: Plant | undefined;
}

export interface Story {
  readonly broken: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

interface Km {
  isAttached: boolean;
  /** Of one connection. */
  life: number;
  since: number;
  isReportDue: boolean;
}

const batch = 4_096;

export class ControllerStory {
  readonly clock = new Clockwork();
  readonly counts: Record<string, number> = {};
  readonly oracle: Oracle;
  readonly #truth: Truth;
  readonly #options: StoryOptions;
  readonly #random: Random;
  readonly #noise: Random;
  readonly #bytes: Random;
  readonly #fibres = new Map<string, Fibre>();
  readonly #kms = new Map<string, Km>();
  readonly #policy: ControllerPolicy;
  readonly #saved = new Map<SavedTable, Map<string, unknown>>();
  #core!: Controller;
  /** Of the controller that lives. */
  #life = 0;
  #bornAt = 0;
  #living = true;
  #calmSince = Number.POSITIVE_INFINITY;

  constructor(seed: number, options: StoryOptions) {
    this.#options = options;
    this.#random = random(streamSeed(seed, "faults"));
    this.#noise = random(streamSeed(seed, "noise"));
    this.#bytes = random(streamSeed(seed, "bytes"));
    const { shape, mode, plant } = options;
    for (const [a, b] of shape.edges) {
      const rate = 2_000 * Math.exp(this.#random() * 3);
      this.#fibres.set(nameOf(a, b), new Fibre(a, b, rate, rate * 300));
    }
    for (const km of shape.kms) {
      this.#kms.set(km, { isAttached: false, life: 0, since: 0, isReportDue: false });
    }
    this.#policy = {
      id: "sim",
      mode,
      nodes: shape.kms.map((km) => ({ km })),
      links: [],
      pairs: shape.pairs.map(([a, b]) => ({ a, b })),
      classes: [],
      access: { openToKms: false, openToApplications: true, applications: [] },
      rules: { ...defaultRules, ...plant?.rules },
    };
    const { holdDownMs } = defaultRules;
    this.#truth = new Truth({
      now: () => this.clock.now,
      born: () => this.#bornAt,
      fibre: (a, b) => this.#fibres.get(nameOf(a, b)),
      km: (name) => this.#kms.get(name) as Km,
    });
    this.oracle = new Oracle(
      {
        now: () => this.clock.now,
        isEdge: (a, b) => this.#fibres.has(nameOf(a, b)),
        badFor: (a, b, ms) => this.#truth.badFor(a, b, ms),
        wasTroubled: (a, b) => this.#truth.wasTroubled(a, b),
      },
      holdDownMs,
      shape.kms.length,
    );
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  /** @param ms that faults happen for; @param healMs without any, after that */
  run(ms: number, healMs: number): Story {
    try {
      this.#begin();
      for (const km of this.#kms.keys()) this.#attachLater(km, this.#random() * 1_000);
      for (const km of this.#kms.keys()) this.#reportEvery(km);
      for (const pair of this.#options.shape.pairs) this.#asks(pair);
      this.#ticks();
      this.#nextFault();
      this.clock.runUntil(ms);
      this.#living = false;
      for (const fibre of this.#fibres.values()) this.#heal(fibre);
      this.#calmSince = this.clock.now + 30_000;
      this.clock.runUntil(ms + healMs);
      const { shape, mode } = this.#options;
      compareShares(this.oracle, this.#core.status(), shape, mode === "centralized");
    } catch (error) {
      this.oracle.bad("assertion", error instanceof Error ? (error.stack ?? error.message) : "?");
    }
    const { free, forced } = this.oracle;
    return { broken: this.oracle.broken, counts: { ...this.counts, free, forced } };
  }

  /** A controller begins, with what the one before saved. */
  #begin(): void {
    const life = ++this.#life;
    this.#bornAt = this.clock.now;
    this.oracle.controllerBegins();
    const tables = [...this.#saved].map(([table, records]) => [table, new Map(records)]);
    const saved = { ...nothingSaved(), ...Object.fromEntries(tables) } as Saved;
    this.#core = new Controller({
      policy: this.#policy,
      version: "sim",
      saved,
      world: {
        now: () => this.clock.now,
        wall: () => wallAt(this.clock.now),
        random: (length) => {
          const bytes = Buffer.alloc(length);
          for (let i = 0; i < length; i++) bytes[i] = this.#bytes() * 256;
          return bytes;
        },
        ask: (km, command, withinMs, done) => this.#asked(life, km, command, withinMs, done),
        told: (change) => {
          if (life !== this.#life) return;
          this.count(`told ${change.kind}`);
          this.oracle.told(change, this.clock.now > this.#calmSince + defaultRules.holdDownMs);
        },
        save: (table, id, value) => {
          const records = this.#saved.get(table) ?? new Map();
          this.#saved.set(table, records);
          if (value === undefined) records.delete(id);
          else records.set(id, value);
        },
      },
    });
  }

  #ticks(): void {
    this.#core.tick();
    this.clock.after(250, () => this.#ticks());
  }

  #attachLater(name: string, ms: number): void {
    const { life } = this.#kms.get(name) as Km;
    this.clock.after(ms, () => {
      const km = this.#kms.get(name) as Km;
      if (km.isAttached || km.life !== life) return;
      km.isAttached = true;
      km.since = this.clock.now;
      this.#core.attached(name);
      this.#report(name, true);
    });
  }

  #reportEvery(name: string): void {
    this.clock.after(4_000 + this.#noise() * 2_000, () => {
      this.#report(name, false);
      this.#reportEvery(name);
    });
  }

  #report(name: string, whole: boolean): void {
    const km = this.#kms.get(name) as Km;
    if (!km.isAttached) return;
    const extension = [...this.#fibres.values()]
      .filter(({ a, b }) => a === name || b === name)
      .map((fibre) => {
        fibre.advance(this.clock.now);
        const isAlarmed = fibre.alarmSince !== undefined;
        return linkExtension({
          peer: fibre.a === name ? fibre.b : fibre.a,
          up: fibre.isUp,
          stock: Math.floor(fibre.stock / 2),
          rate: fibre.isGood ? fibre.rate * (0.8 + this.#noise() * 0.4) : 0,
          qber: isAlarmed ? 0.12 : 0.02,
          alarms: isAlarmed ? [{ name: "qber_high", severity: "warning" }] : [],
        });
      });
    const at = wallStart + this.clock.now;
    const report: CkMessageOf<"report"> = { type: "report", sourceKm: name, at, whole, extension };
    this.#core.command(name, report, (answer) => {
      if (refusalOf(answer) !== undefined) this.oracle.bad("report", String(refusalOf(answer)));
    });
  }

  /** Both ends of a link tell of it at once. */
  #changed({ a, b }: Fibre): void {
    for (const name of [a, b]) {
      const km = this.#kms.get(name) as Km;
      if (km.isReportDue) continue;
      km.isReportDue = true;
      this.clock.after(20 + this.#noise() * 100, () => {
        km.isReportDue = false;
        this.#report(name, false);
      });
    }
  }

  /** Source and destination want a route now and then. */
  #asks([a, b]: readonly [string, string]): void {
    this.clock.after(-Math.log(1 - this.#noise()) * 4_000, () => {
      const [from, to] = this.#noise() < 0.5 ? [a, b] : [b, a];
      const km = this.#kms.get(from) as Km;
      if (km.isAttached) {
        if (this.#options.mode === "distributed") this.#walk(from, to);
        else this.#notify(from, to);
      }
      this.#asks([a, b]);
    });
  }

  #notify(from: string, to: string): void {
    const message = { type: "relayNotification", sourceKma: from, destinationKma: to } as const;
    this.#core.command(from, message, (plain, further) => {
      const answer = this.#planted(plain, from);
      if (answer.type !== "relayRequest" || refusalOf(answer) !== undefined) {
        this.count("no route");
        this.#missed(from, to, String(refusalOf(answer)));
        return further?.done(undefined);
      }
      const route = [from, ...transitOf(answer, to), to];
      this.oracle.route(route, from, to);
      this.count("routes");
      this.clock.after(50 + this.#noise() * 200, () => further?.done(this.#relayed(route)));
    });
  }

  /** Each KM on the way asks for the next; any of the answers is taken. */
  #walk(from: string, to: string): void {
    const route = [from];
    for (let at = from; at !== to; ) {
      let hops: readonly string[] = [];
      const message = { type: "nextHopRequest", sourceKma: from, destinationKma: to } as const;
      this.#core.command(at, message, (plain) => {
        const answer = this.#planted(plain, at);
        if (answer.type === "nextHopResponse") hops = answer.nextKmas;
      });
      const next = hops[Math.floor(this.#noise() ** 2 * hops.length)];
      if (next === undefined) {
        this.count("no route");
        return this.#missed(from, to, `at ${at}`);
      }
      if (route.includes(next)) return this.oracle.bad("loop", [...route, next].join(" "));
      route.push(next);
      at = next;
    }
    this.count("routes");
    this.oracle.route(route, from, to);
    this.#relayed(route);
  }

  #relayed(route: readonly string[]): CkMessageOf<"relayResponse"> {
    const fibres = route.slice(1).map((km, i) => this.#fibres.get(nameOf(route[i] as string, km)));
    const isDone = fibres.every((fibre) => fibre?.use(batch, this.clock.now));
    this.count(isDone ? "relayed" : "not relayed");
    // Stock may be used up; what is down may not be on a route any more.
    const isCut = fibres.some((fibre) => fibre?.isGood !== true);
    if (isCut && this.clock.now > this.#calmSince) this.oracle.bad("relay", route.join(" "));
    return { type: "relayResponse", response: isDone ? "success" : "no_keys_available" };
  }

  /** There was none: is there one? All of it must have been told by now. */
  #missed(from: string, to: string, why: string): void {
    if (this.clock.now <= this.#calmSince) return;
    // A link that was used up waits for its stock, one that nobody told of until of late to be settled.
    const isAwaited = ({ a, b }: Fibre) => this.#isShort(a, b) || this.#truth.isNews(a, b);
    if ([...this.#fibres.values()].some(isAwaited)) return this.count("awaited");
    this.oracle.bad("no route", `${from} ${to}: ${why}`);
  }

  #isShort(a: string, b: string): boolean {
    const link = this.#core.status().links.find((one) => one.link === nameOf(a, b));
    return link?.reason === "short stock";
  }

  #planted(answer: CkMessage, km: string): CkMessage {
    return this.#options.plant?.answer?.(answer, km, this.#noise) ?? answer;
  }

  #asked(
    life: number,
    name: string,
    command: CkCommand,
    withinMs: number,
    done: (answer: CkMessage | undefined) => void,
  ): void {
    const km = this.#kms.get(name) as Km;
    const { life: connection } = km;
    if (!km.isAttached) return this.clock.after(0, () => life === this.#life && done(undefined));
    this.count(`asked ${command.type}`);
    const ms = 20 + this.#noise() * 100;
    const isLost = () => km.life !== connection || !km.isAttached;
    this.clock.after(Math.min(ms, withinMs), () => {
      if (life !== this.#life) return;
      if (command.type !== "relayRequest" || isLost()) return done(undefined);
      const to = command.destinationKma as string;
      const route = [name, ...transitOf(command, to), to];
      // What was on its way for a moment may be of before a fault.
      if (new Set(route).size < route.length) this.oracle.bad("loop", route.join(" "));
      done({ type: "relayResponse", response: "success" });
    });
  }

  #nextFault(): void {
    const { meanMs, kinds } = this.#options.faults;
    if (meanMs === 0) return;
    this.clock.after(-Math.log(1 - this.#random()) * meanMs, () => {
      if (!this.#living) return;
      this.#fault(kinds[Math.floor(this.#random() * kinds.length)] as Faults["kinds"][number]);
      this.#nextFault();
    });
  }

  #fault(kind: Faults["kinds"][number]): void {
    this.count(kind);
    const lastMs = 500 + -Math.log(1 - this.#random()) * 20_000;
    const fibres = [...this.#fibres.values()];
    const fibre = fibres[Math.floor(this.#random() * fibres.length)] as Fibre;
    if (kind === "down" || kind === "alarm") {
      fibre.harm(kind, this.clock.now);
      this.#changed(fibre);
      this.clock.after(lastMs, () => this.#heal(fibre));
    } else if (kind === "detach") {
      const names = [...this.#kms.keys()];
      this.#detach(names[Math.floor(this.#random() * names.length)] as string, lastMs);
    } else this.#kill();
  }

  #heal(fibre: Fibre): void {
    if (fibre.heal(this.clock.now)) this.#changed(fibre);
  }

  #detach(name: string, ms: number): void {
    const km = this.#kms.get(name) as Km;
    if (!km.isAttached) return;
    km.isAttached = false;
    km.life++;
    this.#core.detached(name, "cut");
    this.#attachLater(name, ms);
  }

  /** All that it knew is gone; key managers come back one after another. */
  #kill(): void {
    this.#begin();
    for (const [name, km] of this.#kms) {
      km.isAttached = false;
      km.life++;
      this.#attachLater(name, 100 + this.#random() * 2_000);
    }
  }
}
