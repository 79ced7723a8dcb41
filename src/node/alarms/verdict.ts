/**
 * How it is with a module's supply, in one verdict that every surface of the node shows: page,
 * `status`, doctor, `/readyz`, the manager's state, metrics, lamps. Health is keys that arrive: a
 * connection that is open is none. Pure.
 *
 * The causes stand in the order in which keys would meet them, the last stop first: what is wrong at
 * the KM hides what is wrong behind it until that is mended.
 */

import { counted } from "../../base/words.ts";
import type { AlarmRecord } from "../../ops/alarms/alarm.ts";
import { rank } from "../../ops/alarms/severity.ts";
import { kindOf } from "./catalogue.ts";
import { keptText, waitsForDecision } from "./kept-back.ts";
import type { SupplyHistory } from "./supply-history.ts";
import { adviceOf } from "./unanswered.ts";

/**
 * `good`: keys arrive. `waiting`: not known yet. `attention`: keys arrive, or are not meant to; there
 * is something to look at. `bad`: no key gets through, or none should be trusted.
 */
export type HealthLevel = "good" | "waiting" | "attention" | "bad";

interface Kind {
  readonly level: HealthLevel;
  /** Keys arrive, or could as soon as there are some: what `/readyz` says. */
  readonly ready: boolean;
  /** What to do; empty where there is nothing, or where an alarm says it. */
  readonly action: string;
}

const bad = (action = ""): Kind => ({ level: "bad", ready: false, action });
const waiting: Kind = { level: "waiting", ready: false, action: "" };
const attention = (ready: boolean, action = ""): Kind => ({ level: "attention", ready, action });

export const verdictKinds = {
  halted: bad("see the chassis panel: qkd-node status says what it saw"),
  not_served: bad(
    "stop the node; qkd-node ledger check says what is wrong, ledger repair mends it",
  ),
  ledger_failed: bad("make room, or look after the disk: dmesg; the node goes on by itself then"),
  module_down: bad(
    "check its power and the cable between module and node; keys wait in the module",
  ),
  km_down: bad("check the KM, the network and both certificates; keys wait in the module"),
  km_silent: bad("see whether the KM hangs, or something answers in its place; keys wait"),
  km_refusing: bad("look at the KM: storage, load, its log; keys wait in the module"),
  km_rejects: bad("look at the KM's log for the reason, then qkd-node release or discard"),
  no_light: bad("check the fibre, its connectors and the matching module"),
  qber_high: bad("treat the fibre as tapped until shown otherwise: inspect it, then realign"),
  all_kept_back: bad("see qkd-node kept for the reasons, then decide alike at both ends"),
  no_key: bad("check that the module distils: its state, both optical links, the matching module"),
  alarm: bad(),
  stopped: attention(false, "when it is to distil again: qkd-node start"),
  starting: waiting,
  first_key: waiting,
  unsteady: attention(
    true,
    "see whether the KM hangs or loses connections: its log, qkd-node links",
  ),
  kept_back: attention(true, "see qkd-node kept, then release or discard, alike at both ends"),
  alarms: attention(true),
  no_contact: { level: "waiting", ready: true, action: "" },
  good: { level: "good", ready: true, action: "" },
} as const satisfies Record<string, Kind>;

export type VerdictCode = keyof typeof verdictKinds;
export const verdictCodes = Object.keys(verdictKinds) as readonly VerdictCode[];

export interface Verdict {
  readonly code: VerdictCode;
  readonly level: HealthLevel;
  readonly ready: boolean;
  /** The reason in words: one line, no full stop. */
  readonly text: string;
  /** What to do; empty if there is nothing. */
  readonly action: string;
  /** Since when it is so, ms since 1970 UTC. */
  readonly since: number;
}

/** A `stop` by an operator or the manager, remembered until `start`. */
export interface Stopped {
  readonly by: string;
  /** ms since 1970 UTC */
  readonly at: number;
}

/** How module, KMs and node are at this moment. */
export interface Conditions {
  readonly module: "OPERATING" | "DOWN" | "OUT";
  /** Why the module is down or out; empty otherwise. */
  readonly moduleTrouble: string;
  readonly kms: readonly {
    readonly name: string;
    readonly condition: "UP" | "DOWN" | "AWAITED";
    readonly trouble: string;
  }[];
  /** Why no key may leave the node; undefined: they may. */
  readonly halted: string | undefined;
  /** Why the ledger cannot be written; undefined: it can. */
  readonly ledgerTrouble: string | undefined;
  /** Keys wait until they are asked for. */
  readonly onRequest: boolean;
  /** Blocks in the node's memory. */
  readonly heldBlocks: number;
  /** How much is kept back, by what for (`custody/keptBackKeys.ts`). */
  readonly keptBack: Readonly<Record<string, number>>;
}

/** What the rules have seen over time. */
export interface Seen {
  readonly history: SupplyHistory;
  /** Photons of the other end arrive; undefined: not known. */
  readonly light: boolean | undefined;
  /** The link has contacts: silence between them is no fault. */
  readonly intermittent: boolean;
  readonly stopped: Stopped | undefined;
  /** A KM that does not answer for its keys, in words. */
  readonly kmSilent: string | undefined;
  /** Since when that is known, monotonic ms; undefined: since before the start. */
  readonly kmSilentAt: number | undefined;
  /** Alarms about the module, raised, worst first. */
  readonly alarms: readonly AlarmRecord[];
  /** The worst alarm about what it shares with others: KM, node, disk; major or critical. */
  readonly around: AlarmRecord | undefined;
  /** Monotonic ms, and since the watch began. */
  readonly now: number;
  readonly upMs: number;
}

/** `action`: where it is another than the kind's. */
export type Finding = Pick<Verdict, "code" | "text"> & Partial<Pick<Verdict, "action">>;

/** The verdict before anything is watched. @param wall ms since 1970 UTC */
export function starting(wall: number): Verdict {
  return { ...verdictKinds.starting, code: "starting", text: "Starting", since: wall };
}

/** What was not reached yet this long after the start is being reached, ms. */
const startMs = 10_000;
/** Without light keys arrive for no longer than this, ms. */
const lastKeysMs = 5_000;
/** A key that was confirmed this lately shows that keys arrive, ms. */
const flowMs = 15_000;
/** Nothing confirmed for so long, though keys came, shows that none gets through, ms. */
const standstillMs = 20_000;

const laterReasons: readonly string[] = ["busy", "storage_full", "other", "unclear"];

/** The verdict, but for since when. */
export function find(conditions: Conditions, seen: Seen): Finding {
  return (
    nodeTrouble(conditions) ??
    moduleTrouble(conditions, seen) ??
    kmTrouble(conditions, seen) ??
    linkTrouble(conditions, seen) ??
    rest(conditions, seen)
  );
}

function nodeTrouble({ halted, ledgerTrouble, module, moduleTrouble: why }: Conditions) {
  if (halted !== undefined) return finding("halted", `No key leaves the node: ${halted}`);
  if (module === "OUT") return finding("not_served", `Module is not served: ${why}`);
  if (ledgerTrouble !== undefined) {
    return finding("ledger_failed", `Keys wait: the ledger cannot be written: ${ledgerTrouble}`);
  }
  return undefined;
}

function moduleTrouble({ module, moduleTrouble: why }: Conditions, { upMs, alarms }: Seen) {
  if (module === "OPERATING") return undefined;
  // A module that was away before a restart is away until it answers.
  const known = alarms.some(({ name }) => name === "module_silent" || name === "module_identity");
  if (upMs < startMs && !known) return finding("starting", "Starting: connecting to the module");
  const found = finding("module_down", `No key: module does not answer: ${why}`);
  const advice = adviceOf(why);
  return advice === undefined ? found : { ...found, action: advice };
}

function kmTrouble(conditions: Conditions, seen: Seen): Finding | undefined {
  const { kms } = conditions;
  const { history, alarms, kmSilent, kmSilentAt = 0, upMs, now } = seen;
  const isDown = kms.every(({ condition }) => condition === "DOWN");
  // What was confirmed since then came from this KM, or from another one.
  const isMute = kmSilent !== undefined && !((history.confirmedAt ?? 0) > kmSilentAt);
  if (kmSilent !== undefined && (isDown || isMute)) {
    return finding("km_silent", `Keys wait: KM ${kmSilent}`);
  }
  if (isDown) {
    if (upMs < startMs && !isRaised(alarms, "km_unreachable")) {
      return finding("starting", "Starting: connecting to the KM");
    }
    const why = kms.map(({ name, trouble }) => `${name}: ${trouble}`).join("; ");
    return finding("km_down", `Keys wait in the module: no KM can be reached: ${why}`);
  }
  if (isFlowing(history, now)) return undefined;
  const { refused, quarantined, supplied } = history.since;
  const later = refused.filter((reason) => laterReasons.includes(reason));
  if (history.idleMs >= standstillMs && later.length > 0 && kmSilent === undefined) {
    return finding("km_refusing", `Keys wait: the KM takes none: ${later.join(", ")}`);
  }
  if (kmSilent !== undefined) return finding("km_silent", `Keys wait: KM ${kmSilent}`);
  if (isRaised(alarms, "km_refusing") && supplied > 0) {
    return finding("km_refusing", "Keys wait: the KM takes none for now");
  }
  if (history.idleMs >= standstillMs && quarantined > 0 && refused.length > 0) {
    const why = `${refused.join(", ")}: ${quarantined} in quarantine`;
    return finding("km_rejects", `No key: the KM refuses every one: ${why}`);
  }
  return undefined;
}

/** What keeps the module from having key. */
function linkTrouble({ keptBack }: Conditions, seen: Seen): Finding | undefined {
  const { history, light, intermittent, stopped, alarms, now } = seen;
  if (stopped !== undefined) {
    const flows = isFlowing(history, now) ? "; what it had made still arrives" : "";
    return finding("stopped", `Stopped by ${stopped.by} at ${time(stopped.at)}${flows}`);
  }
  // What was made before may still arrive for a while; it soon stops.
  if (light === false && !intermittent && !isFlowing(history, now, lastKeysMs)) {
    return finding("no_light", "No key: no light from the other end");
  }
  const high = alarms.find(({ name, severity }) => name === "qber_high" && severity === "critical");
  if (high !== undefined) {
    const value = high.value === undefined ? "" : ` (${(high.value * 100).toFixed(1)} %)`;
    return finding("qber_high", `Keys are withheld: QBER is above its limit${value}`);
  }
  if (isFlowing(history, now)) return undefined;
  const { withheld, supplied } = history.since;
  if (history.idleMs >= standstillMs && withheld > 0 && supplied === 0) {
    return finding("all_kept_back", `No key: every block is kept back: ${keptText(keptBack)}`);
  }
  if (isRaised(alarms, "no_key")) {
    const detail = alarms.find(({ name }) => name === "no_key")?.detail;
    return finding("no_key", `No key from the module${detail === undefined ? "" : `: ${detail}`}`);
  }
  return undefined;
}

function rest(conditions: Conditions, seen: Seen): Finding {
  const { history, intermittent, light, alarms, around, now } = seen;
  const { onRequest, heldBlocks, keptBack } = conditions;
  const grave = alarms.find(({ severity, active }) => severity === "critical" && active);
  if (grave !== undefined) return ofAlarm("alarm", capital(head(kindOf(grave.name).text)), grave);
  const ready = onRequest && heldBlocks > 0;
  if (history.confirmedAt === undefined && !ready) {
    const what =
      history.since.supplied > 0
        ? "the KM to confirm the first key since the start"
        : "the module's first key since the start";
    const kept = waitsForDecision(keptBack) ? `; kept back: ${keptText(keptBack)}` : "";
    return finding("first_key", `Waiting for ${what}${kept}`);
  }
  const flow = flowText(conditions, seen);
  const { unsteady } = history;
  if (unsteady !== undefined) {
    const { confirmed, of } = unsteady;
    return finding(
      "unsteady",
      `Of ${counted(of, "key")} offered within a minute, ${confirmed} ${confirmed === 1 ? "was" : "were"} confirmed`,
    );
  }
  const [worst] = alarms;
  const told = worst !== undefined && rank(worst.severity) >= rank("major") ? worst : around;
  if (told !== undefined) {
    return ofAlarm("alarms", `${flow}; but ${head(kindOf(told.name).text)}`, told);
  }
  if (waitsForDecision(keptBack)) {
    const all = Object.values(keptBack).reduce((sum, count) => sum + count, 0);
    return finding(
      "kept_back",
      `${flow}; kept back: ${counted(all, "block or key", "blocks or keys")}`,
    );
  }
  if (worst !== undefined) return ofAlarm("alarms", `${flow}; see the alarms`, worst);
  if (intermittent && light === false && !isFlowing(history, now)) {
    return finding("no_contact", "No contact at the moment");
  }
  return finding("good", flow);
}

function flowText({ onRequest, heldBlocks }: Conditions, { history, now }: Seen): string {
  if (onRequest) return heldBlocks > 0 ? "Keys are ready for the KM" : "The KM has every key";
  if (isFlowing(history, now)) return "Keys flow";
  const age = Math.floor((now - (history.confirmedAt ?? now)) / 1_000);
  return `Keys flow, the last one ${duration(age)} ago`;
}

/** A key was confirmed lately, and none has been owed for longer since. */
function isFlowing(
  { confirmedAt, unansweredMs }: SupplyHistory,
  now: number,
  within = flowMs,
): boolean {
  return confirmedAt !== undefined && now - confirmedAt < within && unansweredMs < within;
}

function isRaised(alarms: readonly AlarmRecord[], name: AlarmRecord["name"]): boolean {
  return alarms.some((alarm) => alarm.name === name && alarm.active);
}

function finding(code: VerdictCode, text: string): Finding {
  return { code, text };
}

/** What an alarm says, beside what keys do. */
function ofAlarm(code: VerdictCode, text: string, { name }: AlarmRecord): Finding {
  return { code, text, action: kindOf(name).action };
}

/** The first clause of an alarm's text. */
function head(text: string): string {
  return text.split(/[;:,]/)[0] as string;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function time(wall: number): string {
  const date = new Date(wall);
  if (Number.isNaN(date.getTime())) return "an unknown time";
  return date
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}
