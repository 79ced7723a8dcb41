/** What a key manager is seen as: by its command line, its page, its manager. */
import type { ShownAlarm } from "../../ops/alarms/program-alarms.ts";
import type { FigureName, FigureValue } from "../../port/telemetry.ts";
import type { ProactiveStatus } from "./proactive-status.ts";
import type { RelayStatus } from "./relay-status.ts";

/** An alarm of a node, as the node told it over Kq-2; the key manager's own are {@link ShownAlarm}. */
export interface ToldAlarm {
  /** Names it within its node. */
  readonly alarm: string;
  readonly name: string;
  readonly object: string;
  /** ITU-T X.733 §8.1.2.3 */
  readonly severity: "critical" | "major" | "minor" | "warning" | "indeterminate";
  readonly active: boolean;
  readonly acknowledged: boolean;
  /** RFC 3339, by the node's clock. */
  readonly since: string;
  readonly value?: number;
  readonly threshold?: number;
  readonly detail?: string;
  readonly text?: string;
}

/** What a module's node told last of the module and its link (Kq-2). */
export interface ToldStatus {
  /** A name in the node's certificate, of those that the module is bound to. */
  readonly node: string;
  /** Told less than 30 s ago over a connection that is open; otherwise how it is now is not known. */
  readonly current: boolean;
  readonly age_s: number;
  /** ETSI GS QKD 015 */
  readonly module: "OPERATING" | "DOWN" | "FAILURE" | "OUT";
  readonly link: "ACTIVE" | "PASSIVE" | "OFF";
  /** RFC 3339, by the node's clock. */
  readonly since: string;
  /** Why something is not as it should be; empty if all is well. */
  readonly reason: string;
  /** By name; units and ranges are those of `port/telemetry.ts`. What is not known is absent. */
  readonly figures: Readonly<Partial<Record<FigureName, FigureValue>>>;
  readonly alarms: readonly ToldAlarm[];
  readonly alarms_left_out: number;
}

/** An alarm of a node, with who told it. */
export interface NodeAlarmStatus extends ToldAlarm {
  readonly node: string;
  /** As {@link ToldStatus.current}: otherwise it is how it was told last. */
  readonly current: boolean;
  readonly age_s: number;
  /** Names of the modules with which it was told. */
  readonly modules: readonly string[];
}

/** How a module of a link is, in short: what is not told within 30 s is `UNKNOWN`. */
export interface LinkModule {
  readonly name: string;
  readonly link: ToldStatus["link"] | "UNKNOWN";
  readonly qber?: number;
  /** bit/s */
  readonly secret_key_rate?: number;
}

/** Stock and state of one link. */
export interface LinkStatus {
  readonly name: string;
  /** KM ID of the other end. */
  readonly peer: string;
  /** Whether this end leads: it proposes batches. */
  readonly leads: boolean;
  /** `local`: applications of this KM fetch keys without the other KM as a witness. */
  readonly takes: "witnessed" | "local";
  readonly session: "down" | "comparing" | "ready";
  /** Group of TLS's key exchange, while there is a session. */
  readonly key_exchange?: string;
  /** Both ends have the same table of applications; true while there is no session. */
  readonly same_policy: boolean;
  /** QKD-keys that wait for their match, and their bits. */
  readonly waiting_keys: number;
  readonly waiting_bits: number;
  /** How long the oldest of them waits, s. */
  readonly oldest_s: number;
  /** Since the link began, as this KM's books have it. */
  readonly matched_bits: number;
  /** Free bits of KMA-key that this KM may allocate, and the other. */
  readonly stock_bits: number;
  readonly peer_stock_bits: number;
  /** Bits of keys that applications fetched, and of those that none fetched in time, at either end; since the link began. */
  readonly taken_bits: number;
  readonly unfetched_bits: number;
  /** Bits of keys on their way: offered, supplied, or bound. */
  readonly under_way_bits: number;
  /** Of the life of this process: batches and QKD-keys that were compared, differed, found no match. */
  readonly compared_keys: number;
  readonly differing_keys: number;
  readonly expired_keys: number;
  /** Batches that were given up, and their keys proposed again; since the start. */
  readonly aborted_batches: number;
  readonly extents: number;
  /** Keys on their way to applications. */
  readonly uses: number;
  /** The modules under it. */
  readonly modules?: readonly LinkModule[];
}

/** What came from one module. */
export interface ModuleStatus {
  readonly name: string;
  readonly module_id: string;
  readonly matching_module_id: string;
  readonly link: string;
  readonly received_keys: number;
  readonly received_bits: number;
  readonly repeats: number;
  readonly conflicts: number;
  /** Absent: its node told nothing within a day. */
  readonly told?: ToldStatus;
}

/** A set of applications, and what came of its questions since the start. */
export interface PairStatus {
  /** SAE IDs: who asked for keys first, and who fetches them. */
  readonly master: string;
  readonly slave: string;
  readonly requests: number;
  /** Keys that this KM handed out, to the one of the two that is its own. */
  readonly keys: number;
  readonly bits: number;
  readonly refused: number;
  /** KM ID at the other end of the link whose keys they were. */
  readonly peer: string;
}

/** One of the configured controllers. */
export interface ControllerStatus {
  readonly name: string;
  readonly address: string;
  readonly binding: "tcp" | "grpc";
  readonly connected: boolean;
  /** RFC 3339: since when it is, or is not. */
  readonly since: string;
  /** It says that another one leads. */
  readonly standby: boolean;
  /** It is the one that this KM asks. */
  readonly asked: boolean;
  /** Group of TLS's key exchange, while it is connected. */
  readonly key_exchange?: string;
}

/** The one headline of the key manager. */
export interface VerdictStatus {
  readonly level: "good" | "waiting" | "attention" | "bad";
  /** Stable, for programs: `ready`, `peer_away`. */
  readonly code: string;
  readonly text: string;
  /** What to do; empty where nothing is to be done. */
  readonly action: string;
  /** Applications could get keys of every link. */
  readonly ready: boolean;
  /** RFC 3339 */
  readonly since: string;
}

/** How the master key was when it was looked at last, some minutes ago at most. */
export interface NextStartStatus {
  /** Why the next start could not open the store, though it is open now. */
  readonly fails?: string;
  /** A wrapped key of a re-key whose end failed: it may be the only one that opens the store. */
  readonly left_over?: string;
}

/** Where the store's master key is from: see the configuration's table `[store]`. */
export interface MasterKeyStatus {
  /** `next_file`: the file that is to be put in place of `master_key_file`. */
  readonly from: "file" | "next_file" | "hsm";
  /** Bytes that are still to be sealed anew, after the store got it; missing when all is. */
  readonly resealing_bytes?: number;
  /** Missing when nothing is wrong. */
  readonly next_start?: NextStartStatus;
}

/** What an order to give the store another master key brought. */
export interface Rekeyed {
  readonly from: MasterKeyStatus["from"];
  readonly resealing_bytes: number;
}

export interface KmStatus {
  readonly km_id: string;
  /** Absent before it has looked at itself. */
  readonly verdict?: VerdictStatus;
  readonly version: string;
  /** s since this process began. */
  readonly uptime_s: number;
  readonly pid: number;
  /** Memory of the process. */
  readonly rss_bytes: number;
  readonly store: {
    readonly buffered_keys: number;
    readonly buffered_bits: number;
    /** Free on all links, of both owners. */
    readonly stock_bits: number;
    readonly disk_bytes: number;
    readonly limit_bytes: number;
    readonly full: boolean;
    /** How long the disk has not answered, s; absent while it does. */
    readonly stalled_s?: number;
    /** QKD-keys that wait of modules, and stock of links, that the configuration does not have. */
    readonly left_over_keys: number;
    readonly left_over_stock_bits: number;
    readonly master_key: MasterKeyStatus;
  };
  readonly nodes_connected: number;
  /** Answers other than `success`, since the start. */
  readonly refused: Readonly<Record<string, number>>;
  /** Kq-2: connections of nodes, Status messages and refusals since the start. */
  readonly kq2: {
    readonly connections: number;
    readonly messages: number;
    readonly refused: Readonly<Record<string, number>>;
  };
  readonly links: readonly LinkStatus[];
  readonly modules: readonly ModuleStatus[];
  /** Those that have asked, by master and slave; absent without a door for applications. */
  readonly applications?: readonly PairStatus[];
  /** Sessions in which keys are brought; absent without a door for applications. */
  readonly proactive?: ProactiveStatus;
  /** Keys relayed from KM to KM; absent while the key manager starts. */
  readonly relay?: RelayStatus;
  /** Absent: none is configured. */
  readonly controllers?: readonly ControllerStatus[];
  /** The key manager's own. Worst first. */
  readonly alarms: readonly ShownAlarm[];
  /** Those of nodes. Worst first. */
  readonly node_alarms: readonly NodeAlarmStatus[];
}
