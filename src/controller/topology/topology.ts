/**
 * All nodes and links that are known, configured or learnt, and which links may carry relays now. What is learnt is
 * bounded; what is configured is always there.
 */
import type { LinkReport } from "../../wire/ck/report.ts";
import type { Service, ToldAlarm } from "../model/status.ts";
import type { ControllerPolicy } from "../policy/network.ts";
import { Link } from "./link.ts";
import { isEndIn, nodeName } from "./names.ts";
import { type HeardController, NetworkNode } from "./node.ts";

/** A link is judged otherwise than before. */
export interface LinkChange {
  readonly link: Link;
  readonly wasUsable: boolean;
  readonly before: string;
}

export type TopologyPolicy = Pick<ControllerPolicy, "nodes" | "links" | "rules">;

export class Topology {
  readonly nodes = new Map<string, NetworkNode>();
  readonly links = new Map<string, Link>();
  readonly #policy: TopologyPolicy;
  /** Links of a node, by the other end. */
  readonly #around = new Map<string, Map<string, Link>>();
  /** Modules of several nodes may have the same name. */
  readonly #linksOfModule = new Map<string, Link[]>();
  readonly #kmOfController = new Map<string, string>();
  /** What operators ordered of nodes and links, by name: it holds for one that is learnt again, too. */
  readonly #ordered: Map<string, Service>;
  /** Whose report had a peer that there was no room for, and when, monotonic, ms. */
  #refused = { km: "", at: 0 };

  /** @param wall ms since 1970 UTC @param ordered by the name of a node or link */
  constructor(
    policy: TopologyPolicy,
    wall: number,
    ordered: Iterable<readonly [string, Service]> = [],
  ) {
    this.#policy = policy;
    this.#ordered = new Map(ordered);
    for (const one of policy.nodes) {
      this.#addNode(new NetworkNode(one.km, wall, one));
      for (const node of one.controllers ?? []) this.#kmOfController.set(node, one.km);
    }
    for (const one of policy.links) {
      for (const km of [one.a, one.b]) {
        if (!this.nodes.has(km)) this.#addNode(new NetworkNode(km, wall, { km }));
      }
      const link = this.#add(new Link(one.a, one.b, policy.rules, one));
      for (const module of one.modules ?? []) {
        this.#linksOfModule.set(module, [...(this.#linksOfModule.get(module) ?? []), link]);
      }
    }
  }

  /**
   * An operator orders how a node or link serves, by its name: also one that is gone, as long as an order holds for it.
   * @returns whether it is known
   */
  order(name: string, service: Service): boolean {
    const one = this.#named(name);
    if (one === undefined && !this.#ordered.has(name)) return false;
    this.#ordered.set(name, service);
    if (one !== undefined) obey(one, service);
    return true;
  }

  #named(name: string): NetworkNode | Link | undefined {
    const link = this.links.get(name);
    if (link !== undefined) return link;
    for (const node of this.nodes.values()) if (nodeName(node.km) === name) return node;
    return undefined;
  }

  /** What was ordered of a learnt KM and of its learnt links is over, also of those that are gone. @returns their names */
  takeBackOrders(km: string): string[] {
    const back: string[] = [];
    for (const name of [...this.#ordered.keys()]) {
      const isOf = name === nodeName(km) || isEndIn(name, km);
      const one = this.#named(name);
      if (!isOf || one?.policy !== undefined) continue;
      this.#ordered.delete(name);
      if (one !== undefined) one.service = "in_service";
      if (one instanceof Link) one.isOrdered = false;
      back.push(name);
    }
    return back;
  }

  /** It is for classes alone that may use what is reserved: it is reserved itself, or an end of it is. */
  isReserved(link: Link): boolean {
    const isOf = (km: string) => this.nodes.get(km)?.service === "reserved";
    return link.effectiveService === "reserved" || isOf(link.a) || isOf(link.b);
  }

  linkBetween(a: string, b: string): Link | undefined {
    return this.#around.get(a)?.get(b);
  }

  linksOf(km: string): Iterable<Link> {
    return this.#around.get(km)?.values() ?? [];
  }

  /** That of a KM which is here itself. @returns undefined if there are too many already */
  nodeOf(km: string, wall: number): NetworkNode | undefined {
    const isFull = this.nodes.size >= this.#policy.rules.nodes;
    if (isFull && !this.nodes.has(km)) this.#evict(hearsayIn(this).most?.at(-1));
    const node = this.#heardOf(km, wall);
    if (node !== undefined) node.isHearsay = false;
    return node;
  }

  /** One that others tell of. @returns undefined if there are too many already */
  #heardOf(km: string, wall: number): NetworkNode | undefined {
    const known = this.nodes.get(km);
    if (known !== undefined || this.nodes.size >= this.#policy.rules.nodes) return known;
    return this.#addNode(new NetworkNode(km, wall));
  }

  /** One that a KM tells of. Where there are too many, it takes the place of one that another alone tells of, which tells of more. */
  #peerOf(km: string, peer: string, now: number, wall: number): NetworkNode | undefined {
    if (this.nodes.size >= this.#policy.rules.nodes && !this.nodes.has(peer)) {
      // A report of a thousand made-up peers is looked at once.
      if (this.#refused.km === km && this.#refused.at === now) return undefined;
      const { most = [], of } = hearsayIn(this);
      // One more each would be taken back and forth.
      if (most.length > (of.get(km)?.length ?? 0) + 1) this.#evict(most.at(-1));
      else this.#refused = { km, at: now };
    }
    return this.#heardOf(peer, wall);
  }

  /** What may be made up takes no place of what is there. */
  #evict(node: NetworkNode | undefined): void {
    if (node === undefined) return;
    this.nodes.delete(node.km);
    for (const link of [...this.linksOf(node.km)]) this.#forget(link);
  }

  /** An operator ordered something of it. */
  isOrdered(km: string): boolean {
    return this.#ordered.has(nodeName(km));
  }

  /**
   * What a KM reports of a link.
   * @param now monotonic, ms @param wall ms since 1970 UTC
   * @returns undefined if it is one too many, or one with itself
   */
  reported(km: string, report: LinkReport, now: number, wall: number): Link | undefined {
    if (report.peer === km) return undefined;
    let link = this.linkBetween(km, report.peer);
    if (link === undefined) {
      if (this.links.size >= this.#policy.rules.links) return undefined;
      if (this.#peerOf(km, report.peer, now, wall) === undefined) return undefined;
      link = this.#add(new Link(km, report.peer, this.#policy.rules));
    }
    link.reported(km, report, now, new Date(wall).toISOString());
    return link;
  }

  /**
   * A KM has reported, and tells what changed alone: its other links are as they were.
   * @param told KM IDs of which it did tell @returns those other links
   */
  unchanged(km: string, told: ReadonlySet<string>, now: number, wall: number): Link[] {
    const same: Link[] = [];
    const time = new Date(wall).toISOString();
    for (const [peer, link] of this.#around.get(km) ?? []) {
      const known = told.has(peer) ? undefined : link.end(km);
      if (known === undefined) continue;
      link.reported(km, known.report, now, time);
      same.push(link);
    }
    return same;
  }

  /** A whole report has ended: links of this KM that were not in it are not there at its end. */
  notTold(km: string, told: ReadonlySet<string>): Link[] {
    const gone: Link[] = [];
    for (const [peer, link] of this.#around.get(km) ?? []) {
      if (told.has(peer) || link.end(km) === undefined) continue;
      link.gone(km);
      gone.push(link);
    }
    return gone;
  }

  /** A node controller's word. @param at ms since 1970 UTC @returns the links that it concerns; undefined: it is one too many */
  heard(
    node: string,
    { online, at, heardAt }: Pick<HeardController, "online" | "heardAt"> & { readonly at: number },
    alarms: readonly (ToldAlarm & { readonly module?: string | undefined })[],
  ): readonly Link[] | undefined {
    const place = this.#heardOf(this.#kmOfController.get(node) ?? node, at);
    if (place === undefined) return undefined;
    const plain = alarms.map(({ name, severity, by, since }) => ({ name, severity, by, since }));
    place.controllers.set(node, { online, heardAt, alarms: plain });
    const ofLink = new Map<Link, ToldAlarm[]>();
    for (const [i, { module }] of alarms.entries()) {
      const link = module === undefined ? undefined : this.#linkOf(module, node);
      const alarm = plain[i];
      if (link !== undefined && alarm !== undefined) {
        ofLink.set(link, [...(ofLink.get(link) ?? []), alarm]);
      }
    }
    const concerned: Link[] = [];
    for (const link of this.links.values()) {
      const told = ofLink.get(link);
      if (told !== undefined) link.heard.set(node, told);
      else if (!link.heard.delete(node)) continue;
      concerned.push(link);
    }
    return concerned;
  }

  /** A node controller is none any more. */
  heardNoMore(node: string): void {
    const km = this.#kmOfController.get(node) ?? node;
    const place = this.nodes.get(km);
    place?.controllers.delete(node);
    if (place !== undefined && place.controllers.size === 0) this.#forgetNode(place);
  }

  /** Forgets nodes that were learnt from topics alone, and were offline for a day: who writes to a broker can make some. @param now monotonic, ms */
  forgetNodes(now: number): void {
    for (const node of [...this.nodes.values()]) {
      const all = [...node.controllers.values()];
      if (
        all.length === 0 ||
        all.some(({ online, heardAt }) => online || now - heardAt < offlineMs)
      )
        continue;
      this.#forgetNode(node);
    }
  }

  /** A KM was taken back: its node goes with its connection and with the last link that another tells of. */
  withdrawn(km: string): void {
    const node = this.nodes.get(km);
    if (node === undefined || node.policy !== undefined) return;
    node.isHearsay = true;
    if (node.controllers.size === 0 && !this.isOrdered(km)) this.#forgetNode(node);
  }

  /** What is configured, connected, or at the end of a link stays. */
  #forgetNode({ km, policy, attached }: NetworkNode): void {
    const isPlain = policy === undefined && !attached && (this.#around.get(km)?.size ?? 0) === 0;
    if (isPlain) this.nodes.delete(km);
  }

  /** The link that a node controller's module is of: at the node where that one stands, as far as that is known. */
  #linkOf(module: string, node: string): Link | undefined {
    const links = this.#linksOfModule.get(module) ?? [];
    const km = this.#kmOfController.get(node);
    if (km !== undefined) return links.find(({ a, b }) => a === km || b === km);
    return links.length === 1 ? links[0] : undefined;
  }

  /** Judges links anew; links that are not there any more are forgotten. @param links default: all */
  judge(now: number, links: Iterable<Link> = this.links.values()): LinkChange[] {
    const changes: LinkChange[] = [];
    for (const link of [...links]) {
      const { usable, state } = link.judgement;
      const around = {
        service: link.orderedService,
        outOfService: this.#endNotInService(link),
        deniedBy: this.#endWithout(link),
      };
      if (link.judge(now, around)) changes.push({ link, wasUsable: usable, before: state });
      if (link.isGone) this.#forget(link);
    }
    return changes;
  }

  /** Links that stand by take the place of those that failed, and step back when all of these are good again. */
  standIns(): Link[] {
    const changed: Link[] = [];
    for (const link of this.links.values()) {
      const { standbyFor = [] } = link.policy ?? {};
      if (link.service !== "standby") continue;
      const isNeeded = standbyFor.some((name) => {
        const other = this.links.get(name);
        // One that an operator took out is missing as well; what nothing was heard of yet may be about to come.
        return other !== undefined && !other.judgement.usable && other.judgement.reason !== unheard;
      });
      if (isNeeded === link.standsIn) continue;
      link.standsIn = isNeeded;
      changed.push(link);
    }
    return changed;
  }

  #endNotInService(link: Link): string | undefined {
    return [link.a, link.b].find((km) => {
      const service: Service = this.nodes.get(km)?.service ?? "in_service";
      return service === "out_of_service" || service === "standby";
    });
  }

  /** An end that is here, and has told all of its links, has not told of this one: the other one may make it up. */
  #endWithout(link: Link): string | undefined {
    const [known] = [link.a, link.b].filter((km) => link.end(km) !== undefined);
    if (known === undefined) return undefined;
    return [link.a, link.b].find((km) => {
      return link.end(km) === undefined && this.nodes.get(km)?.toldAllAt !== undefined;
    });
  }

  #addNode(node: NetworkNode): NetworkNode {
    this.nodes.set(node.km, node);
    obey(node, this.#ordered.get(nodeName(node.km)));
    return node;
  }

  #add(link: Link): Link {
    this.links.set(link.name, link);
    obey(link, this.#ordered.get(link.name));
    for (const [from, to] of [
      [link.a, link.b],
      [link.b, link.a],
    ] as const) {
      const around = this.#around.get(from) ?? new Map<string, Link>();
      this.#around.set(from, around.set(to, link));
    }
    return link;
  }

  /** A node that others told of alone is gone with the last of its links. */
  #forget(link: Link): void {
    this.links.delete(link.name);
    for (const [from, to] of [
      [link.a, link.b],
      [link.b, link.a],
    ] as const) {
      const around = this.#around.get(from);
      around?.delete(to);
      if (around === undefined || around.size > 0) continue;
      this.#around.delete(from);
      const node = this.nodes.get(from);
      const isPlain = node?.isHearsay === true && !node.attached && node.controllers.size === 0;
      if (isPlain && !this.isOrdered(from)) this.nodes.delete(from);
    }
  }
}

/** A node that was learnt from topics is remembered for so long after it went offline, ms. */
const offlineMs = 86_400_000;
const unheard = "no report yet";

/**
 * Nodes that one KM alone tells of, or only topics, by that KM: these may be made up. What an operator ordered
 * something of is none.
 */
function hearsayIn(topology: Topology): {
  readonly of: ReadonlyMap<string, readonly NetworkNode[]>;
  /** Of whose there are the most. */
  readonly most: readonly NetworkNode[] | undefined;
} {
  const of = new Map<string, NetworkNode[]>();
  for (const node of topology.nodes.values()) {
    if (!node.isHearsay || topology.isOrdered(node.km)) continue;
    const [first, second] = topology.linksOf(node.km);
    if (second !== undefined) continue;
    const teller = first === undefined ? "" : first.a === node.km ? first.b : first.a;
    const all = of.get(teller) ?? [];
    all.push(node);
    of.set(teller, all);
  }
  const [most] = [...of.values()].sort((a, b) => b.length - a.length);
  return { of, most };
}

function obey(one: NetworkNode | Link, service: Service | undefined): void {
  if (service === undefined) return;
  one.service = service;
  if (one instanceof Link) one.isOrdered = true;
}
