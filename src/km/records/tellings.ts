/** What searches of the records find, as local sockets and commands show it. Times are RFC 3339, IDs are UUIDs. */

/** One step in the life of a key; which members there are depends on the step. */
export interface StoryStep {
  readonly t: string;
  readonly step:
    | "received"
    | "waits"
    | "matched"
    | "no_match"
    | "differs"
    | "conflict"
    | "dropped"
    | "offered"
    | "prepared"
    | "supplied"
    | "bound"
    | "taken"
    | "expired"
    | "void"
    | "given_up"
    | "fate"
    | "gave"
    | "got"
    | "lost"
    | "order"
    | "deleted"
    | "relayed";
  readonly module?: string;
  readonly matching_module?: string;
  readonly bits?: number;
  readonly generated?: string;
  readonly qber?: number;
  readonly extent?: number;
  /** Bytes of the extent. */
  readonly start?: number;
  readonly end?: number;
  /** KMA-keys, the first and the last that have bytes of it. */
  readonly kma_keys?: readonly [string, string];
  readonly ksa_key?: string;
  readonly applications?: string;
  /** Of a set with several slaves: those that have it, a list of IDs in JSON. */
  readonly fetched?: string;
  readonly fate?: "taken" | "expired" | "void";
  readonly reason?: string;
  readonly by?: string;
  /** Of a relay: KM IDs of its path. */
  readonly route?: readonly string[];
}

export interface KeyStory {
  readonly id: string;
  readonly kind: "QKD-key" | "KMA-key" | "KSA-key" | "unknown";
  readonly link?: string;
  /** KM IDs: this one, and the other. */
  readonly kms?: readonly [string, string];
  readonly steps: readonly StoryStep[];
  /** Steps that there was no room for. */
  readonly left_out: number;
}

/** One QKD-key of a module. */
export interface KeyLine {
  readonly id: string;
  readonly received: string;
  readonly generated?: string;
  readonly bits: number;
  readonly became: "waits" | "matched" | "no_match" | "differs" | "dropped" | "conflict";
  readonly extent?: number;
}

export interface KeyList {
  readonly module_id: string;
  readonly keys: readonly KeyLine[];
  readonly left_out: number;
}

export interface AffectedExtent {
  readonly extent: number;
  /** When it was matched. */
  readonly matched: string;
  /** QKD-keys of the period in it, of so many. */
  readonly keys: number;
  readonly of: number;
  /** Its KMA-keys with bytes of them, first and last of each stretch. */
  readonly kma_keys: readonly (readonly [string, string])[];
}

export interface AffectedUse {
  readonly ksa_key: string;
  readonly t: string;
  readonly state: string;
  readonly applications?: string;
}

/** Keys of one link that could be known to others. */
export interface AffectedOfLink {
  readonly link: string;
  readonly from: string;
  readonly to: string;
  /** QKD-keys of the period: those that became KMA-keys, that wait, and that came to nothing. */
  readonly matched_keys: number;
  readonly waiting_keys: number;
  /** Those that wait of modules that the configuration does not have: which link they are of is not known. */
  readonly left_over_keys: number;
  readonly unused_keys: number;
  readonly bits: number;
  /** KMA-keys with bytes of them. */
  readonly kma_keys: number;
  readonly extents: readonly AffectedExtent[];
  /** Extents whose record is gone: they could have keys of the period. */
  readonly without_record: readonly number[];
  /** KSA-keys that have, or had, bytes of them. */
  readonly ksa_keys: readonly AffectedUse[];
  /** Free bits at this moment, of both owners, in all of these extents. */
  readonly free_bits: number;
  /** Extents and KSA-keys that there was no room for. */
  readonly left_out: number;
}

/** Relays that had pads which could be known to others: what they brought could be, too. */
export interface AffectedRelays {
  readonly relays: number;
  /** Links of this KM whose stock their keys became. */
  readonly links: readonly AffectedOfLink[];
  /** Pairs of other KMs that have keys which this one passed on: source and destination. */
  readonly elsewhere: readonly {
    readonly kms: readonly [string, string];
    readonly relays: number;
  }[];
  /** Relays that have no end on record here: they are under way, or their records are gone. */
  readonly unknown: number;
}

/** What could be known to others if a link was not safe for a time. */
export interface Affected extends AffectedOfLink {
  /** Missing: no such key was a pad of a relay. */
  readonly relayed?: AffectedRelays;
}

/** What was given up of a link whose stock was relayed under pads that could be known to others. */
export interface GivenUpOfLink {
  readonly link: string;
  readonly dropped_keys: number;
  readonly void_extents: number;
  readonly void_bits: number;
  readonly link_up: boolean;
}

/** What an order to give up keys did. */
export interface GivenUp {
  readonly affected: Affected;
  readonly dropped_keys: number;
  /** Relays under way that came to nothing: of keys of this link, and those that had pads of its keys. */
  readonly ended_relays: number;
  readonly void_extents: number;
  readonly void_bits: number;
  /** QKD-keys that a batch under way has or that are being stored, and keys that are being prepared: the order has to be given again. */
  readonly left_keys: number;
  /** Whether the other KM is there. If not, it does the same as soon as it is. */
  readonly link_up: boolean;
  /** Links to which keys were relayed under pads of this one. */
  readonly relayed: readonly GivenUpOfLink[];
}
