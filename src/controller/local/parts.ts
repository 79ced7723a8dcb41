/** Parts of the status, for who asks for one alone; lists are cut where an answer would be too long. Pure. */
import { LocalError, longestAnswer } from "../../ops/local/protocol.ts";
import { isLost } from "../model/missed.ts";
import type { ControllerStatus, LinkStatus } from "../model/status.ts";

const lists = ["nodes", "links", "pairs", "sessions", "changes", "alarms"] as const;
export type ListPart = (typeof lists)[number];

/** How many there are, and how they are, without the lists. */
export interface StatusSummary
  extends Pick<
    ControllerStatus,
    "controller" | "version" | "started" | "role" | "mode" | "verdict" | "open_sessions" | "changes"
  > {
  readonly counts: {
    readonly nodes: number;
    readonly attached: number;
    readonly links: Readonly<Partial<Record<LinkStatus["state"], number>>>;
    /** Pairs, and those of them without a route. */
    readonly pairs: number;
    readonly lost: number;
    readonly alarms: number;
  };
}

/** A status some of whose lists are cut, or not in it. */
export type StatusPart = Partial<ControllerStatus> & {
  /** How many of a list were left out, where some were. */
  readonly omitted?: Readonly<Partial<Record<ListPart, number>>>;
};

/** Characters of all lists of an answer; what is left is for the rest of it. */
const longest = longestAnswer - 1_048_576;
/** Changes of a summary. */
const fewChanges = 5;

/**
 * @param part `summary` or a list's name; undefined: all of it
 * @throws LocalError if there is no such part
 */
export function partOf(status: ControllerStatus, part: unknown): StatusSummary | StatusPart {
  if (part === "summary") return summaryOf(status);
  if (part === undefined) return cut(status, lists);
  const list = lists.find((one) => one === part);
  if (list !== undefined) return cut(status, [list]);
  throw new LocalError("bad_request", `part is summary, ${lists.join(", ")}`);
}

/** A list alone, as far as it has room. */
export function listOf(status: ControllerStatus, list: ListPart): readonly unknown[] {
  return cut(status, [list])[list] ?? [];
}

export function summaryOf(status: ControllerStatus): StatusSummary {
  const { controller, version, started, role, mode, verdict, open_sessions, changes } = status;
  const links: Partial<Record<LinkStatus["state"], number>> = {};
  for (const { state } of status.links) links[state] = (links[state] ?? 0) + 1;
  return {
    ...{ controller, version, started, role, mode, verdict, open_sessions },
    changes: changes.slice(0, fewChanges),
    counts: {
      nodes: status.nodes.length,
      attached: status.nodes.filter(({ attached }) => attached).length,
      links,
      pairs: status.pairs.length,
      lost: status.pairs.filter(isLost).length,
      alarms: status.alarms.length,
    },
  };
}

/** All that is no list, and these lists as far as they have room: what a short one leaves, a longer one may have. */
function cut(status: ControllerStatus, wanted: readonly ListPart[]): StatusPart {
  const {
    nodes: _n,
    links: _l,
    pairs: _p,
    sessions: _s,
    changes: _c,
    alarms: _a,
    ...rest
  } = status;
  const sized = wanted.map((name) => ({ name, sizes: sizesOf(status[name]) }));
  const total = ({ sizes }: (typeof sized)[number]) => sizes.reduce((sum, one) => sum + one, 0);
  sized.sort((a, b) => total(a) - total(b));
  const shown: Partial<Record<ListPart, readonly unknown[]>> = {};
  const omitted: Partial<Record<ListPart, number>> = {};
  let left = longest;
  for (const [i, { name, sizes }] of sized.entries()) {
    const room = left / (sized.length - i);
    let used = 0;
    let count = 0;
    for (const size of sizes) {
      if (used + size > room) break;
      used += size;
      count++;
    }
    left -= used;
    const all: readonly unknown[] = status[name];
    shown[name] = all.slice(0, count);
    if (count < all.length) omitted[name] = all.length - count;
  }
  const isCut = Object.keys(omitted).length > 0;
  return { ...rest, ...(shown as Partial<ControllerStatus>), ...(isCut && { omitted }) };
}

/** Characters of each, as far as they could be shown at all. */
function sizesOf(list: readonly unknown[]): number[] {
  const sizes: number[] = [];
  let sum = 0;
  for (const one of list) {
    const size = JSON.stringify(one).length + 1;
    sizes.push(size);
    sum += size;
    if (sum > longest) break;
  }
  return sizes;
}
