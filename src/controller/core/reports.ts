/** What a KM reports, to where it belongs: links, applications, what these used, pairs, sessions (`src/wire/ck`). */

import { counted } from "../../base/words.ts";
import type { CkMessageOf } from "../../wire/ck/messages.ts";
import { linksIn } from "../../wire/ck/report.ts";
import { type PairReport, stateIn, type UsageReport } from "../../wire/ck/state.ts";
import { Counters } from "../accounting/counters.ts";
import type { Link } from "../topology/link.ts";
import { nameOf } from "../topology/names.ts";
import type { NetworkNode } from "../topology/node.ts";
import type { CoreParts } from "./parts.ts";
import type { Routes } from "./routes.ts";
import type { SessionDesk } from "./session-desk.ts";

/** Counters of key managers that are followed. */
const mostCounters = { all: 100_000, km: 20_000 } as const;
/** Applications of one key manager. */
const mostApplications = 10_000;

export class Reports {
  readonly #parts: CoreParts;
  readonly #routes: Routes;
  readonly #desk: SessionDesk;
  readonly #counters = new Counters(mostCounters, (km) => {
    const what =
      "it tells of more than is accounted for: what it told of longest ago is counted anew";
    this.#parts.news.tell("node", km, what);
  });

  constructor(parts: CoreParts, routes: Routes, desk: SessionDesk) {
    this.#parts = parts;
    this.#routes = routes;
    this.#desk = desk;
  }

  /**
   * @returns false if there is no room for another KM
   * @throws Fault `ck.message` if it is not as the profile says; nothing of it is taken then
   */
  heard(km: string, message: CkMessageOf<"report">): boolean {
    const { topology, world } = this.#parts;
    const links = linksIn(message);
    const state = stateIn(message);
    const now = world.now();
    const wall = world.wall();
    const node = topology.nodeOf(km, wall);
    if (node === undefined) return false;
    node.hasReported = true;
    if (state.km?.site !== undefined) node.site = state.km.site;
    if (state.km !== undefined) {
      node.began = state.km.started;
      this.#desk.began(km, state.km.started);
    }
    this.#applications(km, state.applications, message.whole === true);
    const concerned: Link[] = [];
    const told = new Set<string>();
    let leftOut = 0;
    for (const one of links) {
      told.add(one.peer);
      const link = topology.reported(km, one, now, wall);
      if (link === undefined) {
        leftOut++;
        continue;
      }
      concerned.push(link);
      this.#made(km, link, one.matched, now, wall);
    }
    this.#leftOut(node, leftOut, message.whole === true);
    if (message.whole) {
      node.toldAllAt ??= now;
      node.wholeAt = now;
      concerned.push(...topology.notTold(km, told));
      this.#routes.ends.notTold(km, new Set(state.pairs.map(({ peer }) => nameOf(km, peer))));
    } else concerned.push(...topology.unchanged(km, told, now, wall));
    this.#routes.judge(concerned);
    for (const one of state.pairs) this.#pair(km, one, wall);
    for (const one of state.usage) this.#usage(km, one, wall);
    for (const one of state.sessions) this.#desk.reported(km, one);
    return true;
  }

  /** A KM was taken back: what it counted is over. */
  withdrawn(km: string): void {
    this.#counters.forget(km);
  }

  /** Told once, until all are taken. @param count links of a report that were not */
  #leftOut(node: NetworkNode, count: number, isWhole: boolean): void {
    if (count > 0 && !node.isLeftOut) {
      const what = `${counted(count, "link")} of its report not taken`;
      const why = "there are too many nodes or links";
      this.#parts.news.tell("node", node.km, `${what}: ${why}`);
    }
    if (count > 0) node.isLeftOut = true;
    else if (isWhole) node.isLeftOut = false;
  }

  #applications(km: string, ids: readonly string[], isWhole: boolean): void {
    const { topology, repository } = this.#parts;
    const node = topology.nodes.get(km);
    if (node === undefined) return;
    const before = isWhole ? node.reportedAlone() : [];
    if (isWhole) node.applications.clear();
    const served = ids.filter((id) => {
      const isKnown = node.applications.has(id) || node.applications.size < mostApplications;
      return isKnown && node.applications.add(id);
    });
    // What it still tells of stays its: one that told of it later does not come before it.
    const gone = before.filter((id) => !node.applications.has(id));
    repository.notServed(km, gone);
    repository.served(km, served);
    this.#others(node, served);
  }

  /** Sessions with an application go to one KM: that another tells of it, too, is told once of each connection. */
  #others(node: NetworkNode, served: readonly string[]): void {
    if (node.isContested) return;
    const { topology, repository, news } = this.#parts;
    for (const id of served) {
      const km = repository.application(id)?.km ?? node.km;
      if (km === node.km) continue;
      node.isContested = true;
      const isAway = topology.nodes.get(km)?.attached !== true;
      const away = isAway
        ? ", which is not connected: withdraw that one if it is none any more"
        : "";
      return news.tell("node", node.km, `its application ${id} is served by ${km}${away}`);
    }
  }

  #pair(km: string, report: PairReport, wall: number): void {
    const { accounts, topology, policy } = this.#parts;
    const peers = topology.nodes.get(km)?.peers;
    // A KM has one pair with each other at the most; the other one may come later.
    const isFull = !peers?.has(report.peer) && (peers?.size ?? 0) >= policy.rules.nodes;
    if (report.peer === km || isFull) return;
    peers?.add(report.peer);
    this.#routes.ends.reported(km, report);
    const plan = this.#routes.pair(km, report.peer);
    if (plan !== undefined && report.routing !== "configuration") {
      plan.usedAt = this.#parts.world.now();
    }
    const { relays, failed, relayed, pads } = report;
    const values = [relays, failed, relayed, pads];
    const grown = this.#counters.grown(km, `pair ${report.peer}`, values);
    const [relays_ = 0, failed_ = 0, relayed_ = 0, pads_ = 0] = grown;
    if (grown.every((one) => one === 0)) return;
    accounts.add(
      "pair",
      nameOf(km, report.peer),
      { relays: relays_, failed: failed_, relayed: relayed_, consumed: pads_ },
      wall,
    );
  }

  #usage(km: string, report: UsageReport, wall: number): void {
    const { accounts, topology } = this.#parts;
    const { applications, peer, keys, bits, refused } = report;
    const node = topology.nodes.get(km);
    const [master = ""] = applications;
    const isMaster = node?.serves(master) === true;
    // What was handed out here was for the application that this KM serves.
    const object = isMaster ? master : applications.find((one) => node?.serves(one));
    // Who uses keys is for the key manager that serves it to say.
    if (object === undefined) return;
    const name = `usage ${peer} ${applications.join("\n")}`;
    const grown = this.#counters.grown(km, name, [keys, bits, refused]);
    const [newKeys = 0, newBits = 0, newRefused = 0] = grown;
    if (newKeys === 0 && newBits === 0 && newRefused === 0) return;
    const used = { keys: newKeys, bits: newBits, refused: newRefused };
    accounts.add("application", object, used, wall);
    // Both ends tell of a key: of a pair it counts where it was asked for first.
    if (isMaster) accounts.add("pair", nameOf(km, peer), used, wall);
  }

  /** Both ends tell of a link: the smaller's word counts. */
  #made(km: string, link: Link, matched: number | undefined, now: number, wall: number): void {
    if (km !== link.a && link.end(link.a) !== undefined) return;
    const before = link.countedAt;
    link.countedAt = now;
    const [made = 0] =
      matched === undefined ? [] : this.#counters.grown(km, `link ${link.name}`, [matched]);
    const seconds = before === undefined ? 0 : Math.min(60, (now - before) / 1_000);
    const consumed = Math.round((link.consumption.value ?? 0) * seconds);
    if (made === 0 && consumed === 0) return;
    this.#parts.accounts.add("link", link.name, { made, consumed }, wall);
  }
}
