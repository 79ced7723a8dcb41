/**
 * The node's answers, as far as the commands show them. `schema.ts` has all of it. The node that runs
 * may be older than the commands: what it did not tell from the beginning may be absent.
 */

/** The verdict on a module's supply. */
export interface Health {
  readonly level: string;
  readonly verdict: string;
  readonly ready: boolean;
  readonly text: string;
  readonly action: string;
  readonly since: string;
}

/** A kind of what is kept back from the KM. */
export interface KeptBack {
  readonly why: string;
  readonly count: number;
  readonly text: string;
  /** It waits for an operator's decision. */
  readonly waits: boolean;
  readonly command: string;
}

export interface ModuleStatus {
  readonly name: string;
  readonly state: string;
  readonly link: string;
  readonly km: string;
  readonly reason: string;
  readonly since: string;
  readonly module_id?: string;
  readonly qber?: number;
  readonly secret_key_rate?: number;
  /** Absent: the node is older. */
  readonly health?: Health;
  readonly kept_back?: readonly KeptBack[];
  readonly keys: Readonly<Record<string, number>>;
}

export interface Broker {
  readonly url: string;
  readonly up: boolean;
  readonly reason: string;
  readonly waiting: number;
  readonly key_exchange?: string;
}

/** Whether a KM is told how its modules are. */
export interface KmTold {
  readonly km: string;
  readonly state: string;
  readonly reason: string;
}

export interface Panel {
  readonly presence: string;
  readonly reason?: string;
  readonly tamper: string;
  readonly contacts?: readonly number[];
  readonly tampered_at?: string;
  readonly maintenance: boolean;
  readonly zeroize: string;
  readonly halted: boolean;
  readonly halted_because?: string;
  readonly serial?: string;
  readonly lamps: { readonly supply: string; readonly alarm: string };
}

export interface Site {
  readonly serial: number;
  readonly signed_by?: string;
  readonly provisioned: string;
  /** The last one that came: it was on trial, and gone back from. */
  readonly not_taken?: { readonly serial?: number; readonly why: string };
}

export interface Status {
  readonly node: string;
  readonly version: string;
  readonly boot: number;
  readonly pid: number;
  readonly t: string;
  readonly uptime_s: number;
  readonly rss_bytes: number;
  readonly config: { readonly file: string; readonly digest: string; readonly state_dir: string };
  readonly image?: { readonly version: string; readonly development: boolean };
  readonly site?: Site;
  readonly modules: readonly ModuleStatus[];
  /** Absent: the node is older. */
  readonly kq2?: readonly KmTold[];
  readonly broker?: Broker;
  readonly panel?: Panel;
  readonly alarms: Readonly<Record<string, number>>;
}

export interface KeyCounts {
  readonly module: string;
  readonly in_module_bits?: number;
  readonly since_start: Readonly<Record<string, number | Readonly<Record<string, number>>>>;
  readonly kept_back?: readonly KeptBack[];
  readonly ledger: {
    readonly blocks: number;
    readonly complete: number;
    readonly withheld: number;
    readonly damaged: number;
    readonly keys: Readonly<Record<string, number>>;
  };
}

export interface Figure {
  readonly last?: number | readonly number[];
  readonly min?: number | readonly number[];
  readonly max?: number | readonly number[];
  readonly mean?: number | readonly number[];
  readonly count: number;
  readonly age_ms: number;
  readonly quality: string;
}

export interface Telemetry {
  readonly t: string;
  readonly modules: readonly {
    readonly module: string;
    readonly figures: Readonly<Record<string, Figure>>;
  }[];
}

export interface Alarm {
  readonly alarm: string;
  readonly severity: string;
  readonly active: boolean;
  readonly acknowledged: boolean;
  readonly acknowledged_by?: string;
  readonly flapping: boolean;
  readonly text: string;
  readonly action: string;
  readonly value?: number;
  readonly threshold?: number;
  readonly detail?: string;
  readonly raised: string;
  readonly count: number;
}

export interface HappenedEvent {
  readonly sequence: number;
  readonly t: string;
  readonly type: string;
  readonly module?: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

export interface Links {
  readonly modules: readonly {
    readonly module: string;
    readonly driver: string;
    readonly where: string;
    readonly up: boolean;
    readonly reason: string;
    readonly protocol?: string;
    readonly quality?: Readonly<Record<string, number>>;
    readonly kms: readonly {
      readonly name: string;
      readonly where: string;
      readonly transport: string;
      readonly up: boolean;
      readonly awaited: boolean;
      readonly reason: string;
      readonly key_exchange?: string;
    }[];
  }[];
  readonly broker?: Broker;
  readonly server?: { readonly key_exchanges: readonly string[] };
}

export interface Acted {
  readonly command: string;
  readonly status: string;
  readonly reason?: string;
  /** What came of it, such as how many blocks were decided about. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  readonly by: string;
  readonly t: string;
}

export interface Kept {
  readonly modules: readonly {
    readonly module: string;
    readonly counts?: readonly KeptBack[];
    readonly kept: readonly {
      readonly block: string;
      readonly key_ID?: string;
      readonly why: string;
      readonly reason?: string;
    }[];
  }[];
}
