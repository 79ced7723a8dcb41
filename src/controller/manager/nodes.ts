/**
 * What nodes tell their manager, read along: who is online, and which alarms are raised. What was heard on a connection
 * holds when that ends; what does not come again on the next one was taken away meanwhile. Pure.
 */
import * as v from "valibot";
import { parseDate } from "../../base/date.ts";
import { mostCharacters } from "../../host/config/characters.ts";
import type { Moment } from "../../ops/alarms/severity.ts";
import { nameOf } from "../../ops/manager/topics.ts";
import type { HeardAlarm, HeardNode } from "../core/world.ts";

/** Of one node, and in all. */
const most = { alarms: 64, nodes: 2_000 } as const;
/** A node whose status came has told all its alarms so long after that, and after the last retained message, ms. */
const settleMs = 10_000;
/** One whose status does not come is waited for: a broker that forgot all hears it when it connects again, ms. */
const missingMs = 120_000;
/** Bytes of a message that is looked at. */
const longest = 16_384;

const severities = ["critical", "major", "minor", "warning", "indeterminate"] as const;

const statusSchema = v.object({ status: v.picklist(["online", "offline"]) });
const alarmSchema = v.object({
  name: v.pipe(v.string(), v.minLength(1), mostCharacters(64)),
  object: v.pipe(v.string(), mostCharacters(128)),
  severity: v.picklist([...severities, "cleared"]),
  active: v.boolean(),
  raised: v.pipe(v.string(), v.transform(parseDate), v.number(), v.finite()),
});

interface Known {
  online: boolean;
  /** When it was heard last: ms since 1970 UTC, and monotonic, ms. */
  at: number;
  heardAt: number;
  /** When its status came on this connection, monotonic, ms. */
  statusAt: number | undefined;
  /** Alarms of a connection before, which have not come on this one. */
  readonly unconfirmed: Set<string>;
  /** By the last level of the topic. */
  readonly alarms: Map<string, HeardAlarm>;
}

export class NodesHeard {
  readonly #base: string;
  readonly #nodes = new Map<string, Known>();
  /** When the subscription was taken, and the last retained message came; monotonic, ms. */
  #toldAt = 0;
  #subscribedAt: number | undefined;

  /** @param base first levels of the topics */
  constructor(base: string) {
    this.#base = base;
  }

  /** What is subscribed to; of key managers and controllers nothing comes, they are a level deeper. */
  get filters(): readonly string[] {
    return [`${this.#base}/+/status`, `${this.#base}/+/alarm/+`];
  }

  /** All that is known now: for who was not told as it came. */
  all(): HeardNode[] {
    return [...this.#nodes].map(([node, known]) => heardOf(node, known));
  }

  /**
   * A message came.
   * @param retained the broker has it from before
   * @returns what is known of the node now; undefined: nothing new, or not a node's
   */
  hear(topic: string, payload: Buffer, moment: Moment, retained = false): HeardNode | undefined {
    const { now } = moment;
    const prefix = `${this.#base}/`;
    if (!topic.startsWith(prefix) || payload.length > longest) return undefined;
    if (retained) this.#toldAt = now;
    const [name = "", kind, alarm] = topic.slice(prefix.length).split("/");
    const node = nameOf(name);
    const known = this.#nodes.get(node) ?? nothingOf(moment);
    if (node === "") return undefined;
    if (kind === "status" && payload.length === 0) {
      // Its manager has taken the node's retained word away: it is no node any more.
      return this.#nodes.delete(node) ? goneOf(node, moment) : undefined;
    }
    const changed =
      kind === "status"
        ? setOnline(known, payload, now)
        : kind === "alarm" && alarm !== undefined && setAlarm(known, alarm, payload);
    if (!changed) return undefined;
    heard(known, moment);
    const isFull = this.#nodes.size >= most.nodes && !this.#nodes.has(node);
    if (isFull) return { ...heardOf(node, known), isLeftOut: true };
    this.#nodes.set(node, known);
    return heardOf(node, known);
  }

  /** A connection to the broker begins: what was heard before it has to come again. */
  connected(): void {
    this.#subscribedAt = undefined;
    for (const known of this.#nodes.values()) {
      known.statusAt = undefined;
      for (const id of known.alarms.keys()) known.unconfirmed.add(id);
    }
  }

  /** The broker tells what it retains from now on. @param now monotonic, ms */
  subscribed(now: number): void {
    this.#subscribedAt = now;
    this.#toldAt = now;
  }

  /** Something of a connection before has not come again yet. */
  get isWaiting(): boolean {
    for (const { statusAt, unconfirmed } of this.#nodes.values()) {
      if (statusAt === undefined || unconfirmed.size > 0) return true;
    }
    return false;
  }

  /** Drops what has not come again in time. @returns what is known now of the nodes that this is about */
  look(moment: Moment): HeardNode[] {
    const { now } = moment;
    const subscribedAt = this.#subscribedAt;
    if (subscribedAt === undefined) return [];
    const changed: HeardNode[] = [];
    for (const [node, known] of this.#nodes) {
      const { statusAt, unconfirmed, alarms } = known;
      const isMissing = statusAt === undefined;
      if (!isMissing && unconfirmed.size === 0) continue;
      const due = isMissing
        ? subscribedAt + missingMs
        : Math.max(statusAt, this.#toldAt) + settleMs;
      if (now < due) continue;
      for (const id of unconfirmed) alarms.delete(id);
      unconfirmed.clear();
      heard(known, moment);
      if (isMissing) known.online = false;
      if (isMissing && alarms.size === 0) this.#nodes.delete(node);
      known.statusAt ??= now;
      changed.push(this.#nodes.has(node) ? heardOf(node, known) : goneOf(node, moment));
    }
    return changed;
  }
}

function nothingOf({ now, wall }: Moment): Known {
  const none = { alarms: new Map(), unconfirmed: new Set<string>() };
  return { online: false, at: wall, heardAt: now, statusAt: undefined, ...none };
}

function heard(known: Known, { now, wall }: Moment): void {
  known.at = wall;
  known.heardAt = now;
}

function heardOf(node: string, { online, at, heardAt, alarms }: Known): HeardNode {
  return { node, online, at, heardAt, alarms: [...alarms.values()] };
}

function goneOf(node: string, { now, wall }: Moment): HeardNode {
  return { node, online: false, at: wall, heardAt: now, alarms: [], isGone: true };
}

function setOnline(known: Known, payload: Buffer, now: number): boolean {
  const read = parsed(statusSchema, payload);
  if (read === undefined) return false;
  known.online = read.status === "online";
  known.statusAt = now;
  return true;
}

/** An empty retained message, or one that is over, takes it away. */
function setAlarm({ alarms, unconfirmed }: Known, id: string, payload: Buffer): boolean {
  const read = payload.length === 0 ? undefined : parsed(alarmSchema, payload);
  if (payload.length > 0 && read === undefined) return false;
  unconfirmed.delete(id);
  if (read === undefined) return alarms.delete(id);
  const { name, object, severity, active, raised } = read;
  if (severity === "cleared" || !active) return alarms.delete(id);
  if (!alarms.has(id) && alarms.size >= most.alarms) {
    // One that is known to be raised comes before one that may be over.
    const [old] = unconfirmed;
    if (old === undefined) return false;
    unconfirmed.delete(old);
    alarms.delete(old);
  }
  alarms.set(id, { name, severity, since: raised, module: object });
  return true;
}

function parsed<T extends v.GenericSchema>(
  schema: T,
  payload: Buffer,
): v.InferOutput<T> | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(payload.toString("utf8")));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
