/**
 * Keys that are relayed before they are asked for, by the four policies of Y.3803 §8.2.5: by hand, at a fixed rate,
 * as much as is used, and by the hour. The controller begins these relays; key managers that fill their own pools are
 * left alone.
 */

import { rateAt } from "../policy/hours.ts";
import type { FillPolicy } from "../policy/network.ts";
import type { PairPlan } from "../routing/pair-plan.ts";
import { nameOf } from "../topology/names.ts";
import type { CoreParts } from "./parts.ts";
import type { Relays } from "./relays.ts";
import type { Routes } from "./routes.ts";

/** Bits of one relay unless the pair says otherwise. */
const defaultBatch = 65_536;
/** Stock over which a pair is not filled unless it says otherwise, bits. */
const defaultHigh = 8_388_608;
/** Stock is kept for so long at the consumption of late, s. */
const horizonS = 60;
/** Credit of a rate is for so long at most, s: what an outage cost is not made up for at once. */
const mostCreditS = 10;
/** Relays of a pair at a time. */
const window = 4;
/** After a failure nothing is begun for so long, ms; doubling up to the second. */
const waits = { first: 1_000, last: 60_000 } as const;

interface Fill {
  credit: number;
  /** Bits that operators ordered and that are not relayed yet. */
  ordered: number;
  /** How often such bits were taken back: what was under way then is not tried again. */
  takenBack: number;
  underWay: number;
  coming: number;
  /** Monotonic, ms. */
  notBefore: number;
  waitMs: number;
}

export class Filling {
  readonly #parts: CoreParts;
  readonly #routes: Routes;
  readonly #relays: Relays;
  readonly #fills = new Map<string, Fill>();
  #at: number | undefined;

  constructor(parts: CoreParts, routes: Routes, relays: Relays) {
    this.#parts = parts;
    this.#routes = routes;
    this.#relays = relays;
  }

  /** An operator wants so many bits more for a pair. */
  order(plan: PairPlan, bits: number): void {
    const fill = this.#fill(plan.name);
    fill.ordered += bits;
    fill.notBefore = 0;
  }

  /** What was ordered and has not begun is not begun. @returns bits */
  takeBack(pair: string): number {
    const fill = this.#fills.get(pair);
    const bits = fill?.ordered ?? 0;
    if (fill === undefined) return 0;
    fill.ordered = 0;
    fill.takenBack++;
    return bits;
  }

  /** Bits that were ordered and have not begun. */
  ordered(pair: string): number {
    return this.#fills.get(pair)?.ordered ?? 0;
  }

  /** Begins what is due. Four times a second. */
  tick(): void {
    const { world, policy } = this.#parts;
    const now = world.now();
    const seconds = this.#at === undefined ? 0 : Math.max(0, now - this.#at) / 1_000;
    this.#at = now;
    const names = new Set(this.#fills.keys());
    for (const one of policy.pairs) if (one.fill !== undefined) names.add(nameOf(one.a, one.b));
    for (const name of names) this.#pair(name, now, seconds);
  }

  #pair(name: string, now: number, seconds: number): void {
    const plan = this.#routes.planner.plans.get(name);
    const policy = this.#routes.configured(name);
    const fill = this.#fill(name);
    if (plan === undefined) return void this.#fills.delete(name);
    // What a person ordered is wanted until it is done or taken back, also while both ends are away.
    if (fill.ordered > 0) plan.usedAt = now;
    const {
      fill: rule = { kind: "manual" },
      batch = defaultBatch,
      high = defaultHigh,
    } = policy ?? {};
    const due = this.#due(name, rule, fill, seconds, high);
    if (now < fill.notBefore || this.#routes.classOf(name).isClosed) return;
    let left = Math.max(due, fill.ordered);
    while (fill.underWay < window) {
      const isOrder = fill.ordered > 0;
      // Small relays cost more pads than they are worth.
      if (left <= 0 || (!isOrder && left < batch)) return;
      const bits = Math.min(left, batch);
      const from = this.#source(plan);
      if (from === undefined || !this.#relays.hasRoom(from)) return;
      left -= bits;
      this.#begin(plan, fill, { from, bits, isOrder, scheme: policy?.scheme ?? "case-2" });
    }
  }

  #begin(
    plan: PairPlan,
    fill: Fill,
    order: {
      readonly from: string;
      readonly bits: number;
      readonly isOrder: boolean;
      readonly scheme: "case-1" | "case-2";
    },
  ): void {
    const { bits, isOrder } = order;
    const { takenBack } = fill;
    if (isOrder) fill.ordered -= bits;
    else fill.credit = Math.max(0, fill.credit - bits);
    fill.underWay++;
    fill.coming += bits;
    this.#relays.order({ plan, ...order }, (why) => {
      fill.underWay--;
      fill.coming -= bits;
      if (why === undefined) {
        fill.waitMs = waits.first;
        return;
      }
      if (isOrder && fill.takenBack === takenBack) fill.ordered += bits;
      fill.notBefore = this.#parts.world.now() + fill.waitMs;
      fill.waitMs = Math.min(waits.last, fill.waitMs * 2);
    });
  }

  /** Bits that the policy wants now. */
  #due(name: string, rule: FillPolicy, fill: Fill, seconds: number, high: number): number {
    const reports = this.#routes.ends.reports(name);
    const there = reports.reduce((sum, { stock }) => sum + stock, 0) + fill.coming;
    const room = Math.max(0, high - there);
    switch (rule.kind) {
      case "manual":
        return 0;
      case "fixed_rate":
        return Math.min(room, credited(fill, rule.rate, seconds));
      case "scheduled":
        return Math.min(
          room,
          credited(fill, rateAt(rule.hours, this.#parts.world.wall()), seconds),
        );
      case "adaptive": {
        const used = reports.reduce((sum, { consumption }) => sum + consumption, 0);
        const target = Math.max(rule.low, used * horizonS);
        // Begun at three quarters, so that it is worth a relay.
        return there < target * 0.75 ? Math.min(room, target - there) : 0;
      }
    }
  }

  /** The end that begins: one that is attached, the smaller first. */
  #source({ a, b }: PairPlan): string | undefined {
    const { nodes } = this.#parts.topology;
    return [a, b].find((km) => nodes.get(km)?.attached === true && nodes.get(km)?.hasReported);
  }

  #fill(name: string): Fill {
    const known = this.#fills.get(name);
    if (known !== undefined) return known;
    const fill = {
      credit: 0,
      ordered: 0,
      takenBack: 0,
      underWay: 0,
      coming: 0,
      notBefore: 0,
      waitMs: waits.first,
    };
    this.#fills.set(name, fill);
    return fill;
  }
}

function credited(fill: Fill, rate: number, seconds: number): number {
  fill.credit = Math.min(Math.max(rate * mostCreditS, defaultBatch), fill.credit + rate * seconds);
  return fill.credit;
}
