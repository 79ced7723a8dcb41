/** The one headline of a key manager, and of each of its links: what every surface says first. Pure. */
import type { ShownAlarm } from "../../ops/alarms/program-alarms.ts";
import { shutDoor } from "../../ops/alarms/shut-door.ts";
import type { RelayPairStatus } from "./relay-status.ts";
import type { KmStatus, LinkStatus } from "./status.ts";

export type VerdictLevel = "good" | "waiting" | "attention" | "bad";

export interface KmVerdict {
  readonly level: VerdictLevel;
  /** Stable, for programs: `ready`, `peer_away`. */
  readonly code: string;
  /** For a person; begins with a capital, no stop. */
  readonly text: string;
  /** What to do; empty where nothing is to be done. */
  readonly action: string;
  /** Applications could get keys. */
  readonly ready: boolean;
}

/** What to do about a store that takes no key. */
export const storeFullAction =
  "make room on its disk, use keys, raise store.limit_mb, or look why a link does not compare";

/** It takes no key though its own limit is far: others have filled the disk. */
export function isDiskFull({ full, disk_bytes, limit_bytes }: KmStatus["store"]): boolean {
  return full && disk_bytes < 0.9 * limit_bytes;
}

/** How long ago the last key of a module came, s; undefined: none came since the start. */
export type LastKeys = (module: string) => number | undefined;

/** Without a key for this long a module is silent, s: slow links make one a minute. */
export const silentAfterS = 120;
/** A key that waits for its match for longer than this is remarkable, s. */
const waitsLongS = 60;

const worstFirst: readonly VerdictLevel[] = ["bad", "attention", "waiting", "good"];

const bad = (code: string, text: string, action: string, ready = false): KmVerdict => {
  return { level: "bad", code, text, action, ready };
};
const attention = (code: string, text: string, action: string, ready = false): KmVerdict => {
  return { level: "attention", code, text, action, ready };
};
const waiting = (code: string, text: string, action = "", ready = false): KmVerdict => {
  return { level: "waiting", code, text, action, ready };
};

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Of alarms about one of these objects the first of such a severity; they come worst first. */
function alarmOf(
  alarms: readonly ShownAlarm[],
  objects: readonly string[],
  severity: string,
): ShownAlarm | undefined {
  return alarms.find((one) => {
    const object = one.alarm.slice(one.alarm.indexOf(".") + 1);
    return one.severity === severity && objects.includes(object);
  });
}

/** The first thing that is wrong on a link, then with the key manager, or that its keys are compared and ready. */
export function linkVerdict(status: KmStatus, link: LinkStatus, lastKeys: LastKeys): KmVerdict {
  const own = ownVerdict(status, link, lastKeys);
  const shut = shutVerdict(status);
  if (shut !== undefined) return own.level === "bad" ? { ...own, ready: false } : shut;
  return own === ready ? (commonVerdict(status) ?? ready) : own;
}

/** Why no application can connect, however many keys there are. */
function shutVerdict({ alarms }: KmStatus): KmVerdict | undefined {
  const shut = shutDoor(alarms, "etsi014");
  return shut && bad(shut.name, `No application can connect: the ${shut.what}`, shut.action);
}

/** What is wrong on the link itself. */
export function ownVerdict(status: KmStatus, link: LinkStatus, lastKeys: LastKeys): KmVerdict {
  const { store, modules, alarms, relay } = status;
  const own = modules.filter((one) => one.link === link.name).map(({ name }) => name);
  const objects = ["store", "state", link.name, ...own];
  const hasStock = link.session === "ready" && link.stock_bits + link.peer_stock_bits > 0;
  const critical = alarmOf(alarms, objects, "critical");
  if (critical !== undefined) {
    const [name = ""] = critical.alarm.split(".");
    const isServed = hasStock && !store.full && store.stalled_s === undefined;
    return bad(name, capital(critical.text), critical.action, isServed);
  }
  if (store.full) {
    const text = isDiskFull(store) ? "The disk has no room" : "The store is full";
    return bad("store_full", `${text}: no key is taken`, storeFullAction, hasStock);
  }
  if (link.session === "down") {
    const action = `look at ${link.peer} and the network to it: qkd-km doctor`;
    return bad("peer_away", "The other key manager is not connected", action);
  }
  if (link.session === "comparing") {
    return waiting("comparing", "Connected; the books of both ends are being compared");
  }
  const pair = own.length > 0 ? undefined : relay?.pairs.find((one) => one.link === link.name);
  const supply =
    pair === undefined
      ? supplyVerdict(link, own, lastKeys, hasStock)
      : relayVerdict(pair, hasStock);
  return supply ?? majorVerdict(alarms, objects) ?? ready;
}

const ready: KmVerdict = {
  level: "good",
  code: "ready",
  text: "Keys are compared and ready",
  action: "",
  ready: true,
};

/** Do keys come, are they compared, is there any? */
function supplyVerdict(
  link: LinkStatus,
  own: readonly string[],
  lastKeys: LastKeys,
  hasStock: boolean,
): KmVerdict | undefined {
  if (own.length === 0) {
    return attention("no_module", "No module supplies keys for this link", "see [module.NAME]");
  }
  if (link.waiting_keys > 0 && link.oldest_s > waitsLongS) {
    const text = "Keys wait for their match: the other end lacks them, or does not answer";
    const action = "look at the alarms of the other key manager, then at the nodes of both ends";
    return bad("matching_fails", text, action, hasStock);
  }
  const silent = own.filter(
    (name) => !((lastKeys(name) ?? Number.POSITIVE_INFINITY) < silentAfterS),
  );
  const [first] = silent;
  if (first !== undefined) {
    const never = lastKeys(first) === undefined;
    const text = never
      ? `No key has come from module ${first} yet`
      : `No key comes from module ${first}`;
    const action = "look at its node: qkd-node status";
    return never && !hasStock
      ? waiting("no_key_yet", text, action)
      : attention("no_keys", text, action, hasStock);
  }
  if (!hasStock) return waiting("no_stock", "Keys are compared; none is in stock yet");
  return undefined;
}

/** Do keys come by relay? */
function relayVerdict(
  { last_failure: last }: RelayPairStatus,
  hasStock: boolean,
): KmVerdict | undefined {
  if (hasStock) return undefined;
  if (last === undefined) return waiting("no_stock", "No key has come by relay yet");
  const text = `Keys are not relayed: ${last.at} says "${last.failure}"`;
  return attention(
    "relay_fails",
    text,
    `look at ${last.at}, by way of ${last.route.join(", ") || "no route"}`,
  );
}

function majorVerdict(
  alarms: readonly ShownAlarm[],
  objects: readonly string[],
): KmVerdict | undefined {
  const found = alarmOf(alarms, [...objects, "kq1"], "major") ?? alarmOf(alarms, objects, "minor");
  if (found === undefined) return undefined;
  const [name = ""] = found.alarm.split(".");
  return attention(name, capital(found.text), found.action, true);
}

/** A grave alarm about no link or module: certificates, the clock, the manager. They come worst first. */
function commonVerdict({ alarms, links, modules }: KmStatus): KmVerdict | undefined {
  const ofOne = new Set([...links, ...modules].map(({ name }) => name));
  const found = alarms.find(({ alarm, severity }) => {
    const object = alarm.slice(alarm.indexOf(".") + 1);
    return ["critical", "major"].includes(severity) && !ofOne.has(object);
  });
  if (found === undefined) return undefined;
  const [name = ""] = found.alarm.split(".");
  return attention(name, `${ready.text}; but ${found.text}`, found.action, true);
}

/** The worst of the links' verdicts: it names its link where there are several, and it is not that of all. */
export function kmVerdict(status: KmStatus, lastKeys: LastKeys): KmVerdict {
  const { links } = status;
  if (links.length === 0) {
    return attention("no_link", "No link is configured: keys wait", "see [link.NAME]");
  }
  const verdicts = links.map((link) => ({ link, verdict: linkVerdict(status, link, lastKeys) }));
  const ranked = verdicts.toSorted(
    (a, b) => worstFirst.indexOf(a.verdict.level) - worstFirst.indexOf(b.verdict.level),
  );
  const { link, verdict } = ranked[0] as (typeof ranked)[number];
  const isReady = verdicts.every(({ verdict: { ready: one } }) => one);
  const isOfAll = verdicts.every(
    ({ verdict: one }) => one.text === verdict.text && one.action === verdict.action,
  );
  const named = links.length > 1 && !isOfAll && verdict.level !== "good";
  const text = named ? `${link.name}: ${verdict.text}` : verdict.text;
  return { ...verdict, text, ready: isReady };
}
