/**
 * What a controller is configured with: nodes, links, pairs, classes of service, and the numbers of its rules. Plain
 * values; times in ms, rates in bit/s, stock in bits. {@link defaultRules} has the numbers that hold unless others are
 * given.
 */
import type { Service } from "../model/status.ts";
import type { Hours } from "./hours.ts";

/** A key manager and what is around it. */
export interface NodePolicy {
  /** KM ID, which is its KMA ID. */
  readonly km: string;
  readonly name?: string;
  /** Names in its certificate, if not its KM ID. */
  readonly names?: readonly string[];
  readonly site?: string;
  /** Place on the map, 0 to 1. */
  readonly place?: { readonly x: number; readonly y: number };
  readonly service?: Service;
  /** SAE IDs that it serves; what it reports itself is added. */
  readonly applications?: readonly string[];
  /** Node controllers (`qkd-node`) that stand here, by their IDs on the manager's topics. */
  readonly controllers?: readonly string[];
}

/** A QKD link between two key managers. */
export interface LinkPolicy {
  readonly a: string;
  readonly b: string;
  /** Default: `standby` if it stands by for others, else `in_service`. */
  readonly service?: Service;
  /** Links (`KM1--KM2`) for which it is put into service when one of them fails. */
  readonly standbyFor?: readonly string[];
  /** km */
  readonly length?: number;
  /** What it makes as long as it reports no rate, bit/s. */
  readonly expectedRate?: number;
  /** Names of QKD modules at its ends, as their nodes have them: an alarm of one of them is an alarm of the link. */
  readonly modules?: readonly string[];
  /** A link that is scarce by nature, as one by satellite. */
  readonly ration?: RationPolicy;
}

export interface RationPolicy {
  /** bit/s that it gives on average at the most. */
  readonly rate: number;
  /** Classes that may use it; absent: all. */
  readonly classes?: readonly string[];
}

/** How much is relayed for a pair before it is asked for (Y.3803 §8.2.5). */
export type FillPolicy =
  | { readonly kind: "manual" }
  | { readonly kind: "fixed_rate"; readonly rate: number }
  /** Stock for the next minute at the consumption of late, and never less than `low`. */
  | { readonly kind: "adaptive"; readonly low: number }
  | { readonly kind: "scheduled"; readonly hours: readonly (Hours & { readonly rate: number })[] };

/** Two key managers between which keys are relayed. Those that are not configured are of the default class. */
export interface PairPolicy {
  readonly a: string;
  readonly b: string;
  /** Name of a {@link ClassPolicy}. */
  readonly class?: string;
  /** bit/s that the pair wants; absent: as much as its consumption shows, or all that its fair share is. */
  readonly demand?: number;
  /** Routes set by hand (Y.3803 §8.2.5 a), both ends included; nothing else is used while one of them can be. */
  readonly routes?: readonly (readonly string[])[];
  /** Absent: the key managers fill their pools themselves, or not at all. */
  readonly fill?: FillPolicy;
  /** Stock of the pair is not filled over this, bits. */
  readonly high?: number;
  /** Bits of one relay that the controller begins. */
  readonly batch?: number;
  /** `case-1`: a key of the first hop is reserved and relayed on (Q.4160 I.4b). Default: `case-2`. */
  readonly scheme?: "case-1" | "case-2";
}

/** A class of service (IMDA RS QKDN §7.3). */
export interface ClassPolicy {
  readonly name: string;
  /** Of pairs that share a link, one of weight 2 gets twice what one of weight 1 does. Default: 1. */
  readonly weight?: number;
  /** bit/s for each pair before any pair of a lower priority gets something. Default: 0. */
  readonly guaranteed?: number;
  /** Of guarantees that can't all be kept those of the highest are. Default: 0. */
  readonly priority?: number;
  /** bit/s for each pair at the most. */
  readonly most?: number;
  /** When guarantee, weight and priority hold; absent: always. Outside of them the class is as the default one. */
  readonly hours?: readonly Hours[];
  /** Outside of its hours it is not served at all. */
  readonly onlyInHours?: boolean;
  /** It may use links and nodes whose service is `reserved`. */
  readonly reserved?: boolean;
}

/** An application that may ask for sessions and relays. */
export interface ApplicationPolicy {
  /** SAE ID. */
  readonly id: string;
  /** KM ID that serves it; absent: the one that reports it. */
  readonly km?: string;
  readonly class?: string;
  /** Sessions that it may have at a time; absent: as many as {@link Rules.sessionsOfApplication}. */
  readonly sessions?: number;
  /** Applications that it may talk to; absent: all that are registered. */
  readonly peers?: readonly string[];
}

/** The repository of IMDA RS QKDN §7.4, as it is configured; what is changed at run time is kept beside it. */
export interface AccessPolicy {
  /** Key managers that are in no list may attach. */
  readonly openToKms: boolean;
  /** Applications that are in no list may be served, if a key manager reports them. */
  readonly openToApplications: boolean;
  readonly applications: readonly ApplicationPolicy[];
}

/** Numbers of the rules; `README.md` of `src/controller` says what each does. */
export interface Rules {
  /** A link of which neither end reported for so long is not known. */
  readonly silentMs: number;
  /** What stock and rates are averaged over. */
  readonly averageMs: number;
  /** A link that was bad is used again when it was good for so long. */
  readonly settleMs: number;
  /** Stock below which a link is scarce, and above which it is not any more; below `empty` it takes no relay. */
  readonly stock: { readonly empty: number; readonly low: number; readonly enough: number };
  /** Least time between two changes of a pair's routes that nothing forces. */
  readonly holdDownMs: number;
  /** A change that nothing forces needs a pair that gains so much by it, as a ratio. */
  readonly hysteresis: number;
  /** A route that is given up keeps what was promised to it until its relays have ended, but no longer than this. */
  readonly drainMs: number;
  /** Routes of a pair that are used together at the most. */
  readonly routes: number;
  /** KMAs between the ends of a route at the most. */
  readonly transit: number;
  /** A route at which a relay failed is not used for so long. */
  readonly avoidMs: number;
  /** Alarms that make a link bad whatever their severity is; all others do if they are critical. */
  readonly badAlarms: readonly string[];
  /** Sessions at a time, and of one application. */
  readonly sessions: number;
  readonly sessionsOfApplication: number;
  /** A session ends by itself after this. */
  readonly sessionMs: number;
  /** Length of a period of accounting, and how many are kept. */
  readonly accountMs: number;
  readonly accountPeriods: number;
  /** Bounds of what is learnt. */
  readonly nodes: number;
  readonly links: number;
  readonly pairs: number;
}

export interface ControllerPolicy {
  /** The controller's name. */
  readonly id: string;
  readonly mode: "distributed" | "centralized";
  readonly nodes: readonly NodePolicy[];
  readonly links: readonly LinkPolicy[];
  readonly pairs: readonly PairPolicy[];
  /** Class of pairs that name none, by name; absent: weight 1, nothing guaranteed. */
  readonly defaultClass?: string;
  readonly classes: readonly ClassPolicy[];
  readonly access: AccessPolicy;
  readonly rules: Rules;
}

export const defaultRules: Rules = {
  silentMs: 15_000,
  averageMs: 60_000,
  settleMs: 10_000,
  stock: { empty: 2_048, low: 65_536, enough: 131_072 },
  holdDownMs: 30_000,
  hysteresis: 0.1,
  drainMs: 10_000,
  routes: 8,
  transit: 30,
  avoidMs: 10_000,
  badAlarms: ["qber_high", "optical_link_down", "module_fault", "keys_differ"],
  sessions: 10_000,
  sessionsOfApplication: 1_000,
  sessionMs: 86_400_000,
  accountMs: 3_600_000,
  accountPeriods: 744,
  nodes: 1_000,
  links: 4_000,
  pairs: 10_000,
};
