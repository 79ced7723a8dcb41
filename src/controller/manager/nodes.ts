/** What nodes tell their manager, read along: who is online, and which alarms are raised. Pure. */
import * as v from "valibot";
import { parseDate } from "../../base/date.ts";
import { nameOf } from "../../ops/manager/topics.ts";
import type { HeardAlarm, HeardNode } from "../core/world.ts";

/** Of one node, and in all. */
const most = { alarms: 64, nodes: 2_000 } as const;
/** Bytes of a message that is looked at. */
const longest = 16_384;

const severities = ["critical", "major", "minor", "warning", "indeterminate"] as const;

const statusSchema = v.object({ status: v.picklist(["online", "offline"]) });
const alarmSchema = v.object({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  object: v.pipe(v.string(), v.maxLength(128)),
  severity: v.picklist([...severities, "cleared"]),
  active: v.boolean(),
  raised: v.pipe(v.string(), v.transform(parseDate), v.number(), v.finite()),
});

interface Known {
  online: boolean;
  /** By the last level of the topic. */
  readonly alarms: Map<string, HeardAlarm>;
}

export class NodesHeard {
  readonly #base: string;
  readonly #nodes = new Map<string, Known>();

  /** @param base first levels of the topics */
  constructor(base: string) {
    this.#base = base;
  }

  /** What is subscribed to; of key managers and controllers nothing comes, they are a level deeper. */
  get filters(): readonly string[] {
    return [`${this.#base}/+/status`, `${this.#base}/+/alarm/+`];
  }

  /**
   * A message came.
   * @param wall ms since 1970 UTC
   * @returns what is known of the node now; undefined: nothing new, or not a node's
   */
  hear(topic: string, payload: Buffer, wall: number): HeardNode | undefined {
    const prefix = `${this.#base}/`;
    if (!topic.startsWith(prefix) || payload.length > longest) return undefined;
    const [name = "", kind, alarm] = topic.slice(prefix.length).split("/");
    const node = nameOf(name);
    const known = this.#nodes.get(node) ?? { online: false, alarms: new Map() };
    const isNew = !this.#nodes.has(node);
    if (node === "" || (isNew && this.#nodes.size >= most.nodes)) return undefined;
    if (kind === "status" && payload.length === 0) {
      // Its manager has taken the node's retained word away: it is no node any more.
      if (!this.#nodes.delete(node)) return undefined;
      return { node, online: false, at: wall, alarms: [], isGone: true };
    }
    const changed =
      kind === "status"
        ? setOnline(known, payload)
        : kind === "alarm" && alarm !== undefined && setAlarm(known, alarm, payload);
    if (!changed) return undefined;
    this.#nodes.set(node, known);
    return { node, online: known.online, at: wall, alarms: [...known.alarms.values()] };
  }
}

function setOnline(known: Known, payload: Buffer): boolean {
  const read = parsed(statusSchema, payload);
  if (read === undefined) return false;
  known.online = read.status === "online";
  return true;
}

/** An empty retained message, or one that is over, takes it away. */
function setAlarm({ alarms }: Known, id: string, payload: Buffer): boolean {
  if (payload.length === 0) return alarms.delete(id);
  const read = parsed(alarmSchema, payload);
  if (read === undefined) return false;
  const { name, object, severity, active, raised } = read;
  if (severity === "cleared" || !active) return alarms.delete(id);
  if (!alarms.has(id) && alarms.size >= most.alarms) return false;
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
