/**
 * A link between two key managers: what both ends report, averaged, and whether it may carry relays. A link that was
 * bad has to be good for a while before it is used again, so that one that comes and goes does not move routes.
 */
import type { LinkReport } from "../../wire/ck/report.ts";
import type { LinkStatus, Service, ToldAlarm } from "../model/status.ts";
import type { LinkPolicy, Rules } from "../policy/network.ts";
import { Average } from "./average.ts";
import { nameOf } from "./names.ts";

export interface LinkEnd {
  readonly report: LinkReport;
  /** Monotonic, ms. */
  readonly at: number;
}

/** What routing makes of a link. */
export interface Judgement {
  readonly state: LinkStatus["state"];
  /** Empty if it is good. */
  readonly reason: string;
  /** It takes relays. */
  readonly usable: boolean;
}

export type LinkRules = Pick<Rules, "silentMs" | "averageMs" | "settleMs" | "stock" | "badAlarms">;

/** What a link's own figures do not say. */
export interface LinkSurroundings {
  readonly service: Service;
  /** An end that is not in service; undefined: both are. */
  readonly outOfService: string | undefined;
  /** An end that has told all its links, and not this one; undefined: there is none. */
  readonly deniedBy: string | undefined;
}

/** What counts most is first. */
const notInService = ["out_of_service", "standby", "reserved"] as const;

const isUsable = { good: true, scarce: true, bad: false, unknown: false } as const;

export class Link {
  readonly name: string;
  readonly a: string;
  readonly b: string;
  readonly policy: LinkPolicy | undefined;
  readonly stock: Average;
  readonly rate: Average;
  readonly consumption: Average;
  /** Alarms by MQTT, by their node controller. */
  readonly heard = new Map<string, readonly ToldAlarm[]>();
  /** As an operator or the configuration has it. */
  service: Service;
  /** That is so by an order, or the configuration: else it is as its key managers say. */
  isOrdered: boolean;
  /** It stands by, and one that it stands by for has failed. */
  standsIn = false;
  /** When its consumption was counted last, monotonic, ms. */
  countedAt: number | undefined;
  judgement: Judgement = { state: "unknown", reason: "no report yet", usable: false };
  readonly #rules: LinkRules;
  readonly #ends = new Map<string, LinkEnd>();
  readonly #since = new Map<string, string>();
  /** What its key managers say of it, if that is not that it is in service. */
  #toldService: Service | undefined;
  #stockNow = 0;
  #isShort = false;
  #isScarce = false;
  /** Why it was bad by the last word of its key managers; undefined: by that it was not. */
  #lastBad: string | undefined;
  /** When it was bad last, monotonic; undefined: never since it is known. */
  #badAt: number | undefined;

  constructor(a: string, b: string, rules: LinkRules, policy?: LinkPolicy) {
    this.name = nameOf(a, b);
    [this.a, this.b] = a < b ? [a, b] : [b, a];
    this.policy = policy;
    this.#rules = rules;
    this.stock = new Average(rules.averageMs);
    this.rate = new Average(rules.averageMs);
    this.consumption = new Average(rules.averageMs);
    const standsBy = policy?.standbyFor !== undefined && policy.standbyFor.length > 0;
    this.service = policy?.service ?? (standsBy ? "standby" : "in_service");
    this.isOrdered = policy?.service !== undefined || standsBy;
  }

  end(km: string): LinkEnd | undefined {
    return this.#ends.get(km);
  }

  /** No end of it is told of, and it is not configured. */
  get isGone(): boolean {
    return this.policy === undefined && this.#ends.size === 0;
  }

  /**
   * As it is now: a link that stands by is in service while it stands in. One of which nothing was ordered here is as
   * its key managers say: they keep what another controller ordered, or this one before its database was another.
   */
  get effectiveService(): Service {
    if (!this.isOrdered && this.#toldService !== undefined) return this.#toldService;
    return this.orderedService;
  }

  /** As it is to be by what was ordered or configured here. */
  get orderedService(): Service {
    return this.service === "standby" && this.standsIn ? "in_service" : this.service;
  }

  /** @param time RFC 3339 */
  reported(km: string, report: LinkReport, now: number, time: string): void {
    this.#ends.set(km, { report, at: now });
    const names = new Set(report.alarms.map(({ name }) => `${km} ${name}`));
    for (const name of names) if (!this.#since.has(name)) this.#since.set(name, time);
    for (const name of this.#since.keys()) {
      if (name.startsWith(`${km} `) && !names.has(name)) this.#since.delete(name);
    }
    const all = this.#fresh(now);
    // Each end may allocate its own part.
    this.#stockNow = all.reduce((sum, { report: { stock } }) => sum + stock, 0);
    this.stock.add(now, this.#stockNow);
    const rates = all.flatMap(({ report: { rate } }) => rate ?? []);
    if (rates.length > 0) this.rate.add(now, Math.min(...rates));
    const used = all.flatMap(({ report: { consumption } }) => consumption ?? []);
    if (used.length > 0) this.consumption.add(now, Math.max(...used));
  }

  /** A whole report of this end does not tell of it any more. */
  gone(km: string): void {
    this.#ends.delete(km);
    if (this.#ends.size === 0) this.#lastBad = undefined;
    for (const name of this.#since.keys()) if (name.startsWith(`${km} `)) this.#since.delete(name);
  }

  /** bit/s that may be promised to relays. @param horizonMs stock is used up over */
  capacity(horizonMs: number): number {
    const { expectedRate = 0, ration } = this.policy ?? {};
    const fromStock = ((this.stock.value ?? 0) * 1_000) / horizonMs;
    const most = (this.rate.value ?? expectedRate) + fromStock;
    return ration === undefined ? most : Math.min(most, ration.rate);
  }

  /** Looks at all there is. @returns whether the judgement is another than before */
  judge(now: number, around: LinkSurroundings): boolean {
    const before = this.judgement;
    const fresh = this.#fresh(now);
    // That both its key managers leave puts it into service no more than it makes it good.
    const last = fresh.length > 0 ? fresh : [...this.#ends.values()];
    const told = last.map(({ report }) => report.service);
    this.#toldService = notInService.find((one) => told.includes(one));
    const [state, reason, isSettled] = this.#judged(now, around);
    if (!isSettled) this.#badAt = now;
    this.judgement = { state, reason, usable: isUsable[state] };
    return before.state !== state || before.reason !== reason;
  }

  /** State, why, and whether it is one that counts as having been good. */
  #judged(now: number, around: LinkSurroundings): [LinkStatus["state"], string, boolean] {
    const { silentMs, settleMs } = this.#rules;
    const { service } = around;
    if (service === "out_of_service") return ["bad", "out of service", false];
    if (service === "standby") return ["bad", "stands by", true];
    if (around.outOfService !== undefined) {
      return ["bad", `${around.outOfService} is not in service`, false];
    }
    if (around.deniedBy !== undefined) return ["bad", `${around.deniedBy} has no such link`, true];
    const alarm = this.#badAlarm(now);
    if (alarm !== undefined) {
      const reason = `alarm ${alarm}`;
      // What nodes tell beside them is taken back by the same way.
      return this.#isTold(alarm) ? this.#badBy(reason, false) : ["bad", reason, false];
    }
    const fresh = this.#fresh(now);
    if (fresh.length === 0) {
      if (this.#ends.size === 0) return ["unknown", "no report yet", true];
      const silent = `no report for ${silentMs / 1_000} s`;
      // That both its key managers leave makes no link good.
      return this.#lastBad === undefined
        ? ["unknown", silent, false]
        : ["bad", `${this.#lastBad}; ${silent}`, false];
    }
    for (const { report } of fresh) {
      if (!report.up) return this.#badBy("its key managers do not talk to each other", false);
      if (report.service === "out_of_service")
        return this.#badBy("out of service at a key manager", false);
    }
    this.#lastBad = undefined;
    // A KM that has not heard yet that it stands in says so, too.
    if (!this.isOrdered && this.#toldService === "standby") {
      return ["bad", "stands by at a key manager", true];
    }
    if (this.#badAt !== undefined && now - this.#badAt < settleMs) {
      return ["bad", `good for less than ${settleMs / 1_000} s`, true];
    }
    return this.#byStock();
  }

  #isTold(alarm: string): boolean {
    const ends = [...this.#ends.values()];
    return ends.some(({ report }) => report.alarms.some(({ name }) => name === alarm));
  }

  /** It is bad until its key managers say otherwise, or tell of it no more. */
  #badBy(reason: string, isSettled: boolean): [LinkStatus["state"], string, boolean] {
    this.#lastBad = reason;
    return ["bad", reason, isSettled];
  }

  #byStock(): [LinkStatus["state"], string, boolean] {
    const { empty, low, enough } = this.#rules.stock;
    const stock = this.stock.value ?? 0;
    // A level for falling below and another for coming back; what is there now can be used now.
    this.#isShort = Math.max(stock, this.#stockNow) < (this.#isShort ? low : empty);
    this.#isScarce = stock < (this.#isScarce ? enough : low);
    if (this.#isShort) return this.#badBy("short stock", true);
    if (this.#isScarce) return ["scarce", "little stock", true];
    if (this.policy?.ration !== undefined) return ["scarce", "rationed", true];
    return ["good", "", true];
  }

  #fresh(now: number): LinkEnd[] {
    return [...this.#ends.values()].filter((end) => this.#isFresh(end, now));
  }

  #isFresh({ at }: LinkEnd, now: number): boolean {
    return now - at < this.#rules.silentMs;
  }

  /**
   * What an end that is silent told of the link is of then: the other end sees the same link and tells of it. What is
   * critical may be of that end alone, and holds until it takes it back.
   */
  #badAlarm(now: number): string | undefined {
    const isBad = ({ name, severity }: Pick<ToldAlarm, "name" | "severity">) =>
      severity === "critical" || this.#rules.badAlarms.includes(name);
    for (const end of this.#ends.values()) {
      const isCounted = this.#isFresh(end, now)
        ? isBad
        : ({ severity }: Pick<ToldAlarm, "severity">) => severity === "critical";
      const one = end.report.alarms.find(isCounted);
      if (one !== undefined) return one.name;
    }
    for (const alarms of this.heard.values()) {
      const one = alarms.find(isBad);
      if (one !== undefined) return one.name;
    }
    return undefined;
  }

  /** Of both ways, one of a name. */
  alarms(): readonly ToldAlarm[] {
    const all = new Map<string, ToldAlarm>();
    for (const alarms of this.heard.values()) for (const one of alarms) all.set(one.name, one);
    for (const [km, { report }] of this.#ends) {
      for (const { name, severity } of report.alarms) {
        const since = this.#since.get(`${km} ${name}`) ?? "";
        all.set(name, { name, severity, by: "ck", since });
      }
    }
    return [...all.values()];
  }

  /** @param now monotonic, ms @param reserved bit/s */
  status(now: number, reserved: number): LinkStatus {
    const { policy } = this;
    return {
      link: this.name,
      a: this.a,
      b: this.b,
      ends: [this.a, this.b].flatMap((km) => {
        const one = this.#ends.get(km);
        if (one === undefined) return [];
        const { up, stock, rate, consumption, qber } = one.report;
        return {
          km,
          up,
          stock_bits: stock,
          ...(rate !== undefined && { key_rate: rate }),
          ...(consumption !== undefined && { consumption_rate: consumption }),
          ...(qber !== undefined && { qber }),
          age_s: Math.floor((now - one.at) / 1_000),
          known: this.#isFresh(one, now),
        };
      }),
      service: this.effectiveService,
      origin: policy === undefined ? "learnt" : "configured",
      state: this.judgement.state,
      reason: this.judgement.reason,
      average_stock_bits: Math.round(this.stock.value ?? 0),
      average_key_rate: Math.round(this.rate.value ?? 0),
      reserved_rate: Math.round(reserved),
      ...(policy?.length !== undefined && { length_km: policy.length }),
      alarms: this.alarms(),
    };
  }
}
