/** What a key manager is seen as: by its command line, its page, its manager. */

/** Stock and state of one link. */
export interface LinkStatus {
  readonly name: string;
  /** KM ID of the other end. */
  readonly peer: string;
  /** Whether this end leads: it proposes batches. */
  readonly leads: boolean;
  readonly session: "down" | "comparing" | "ready";
  /** Group of TLS's key exchange, while there is a session. */
  readonly key_exchange?: string;
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
  /** Of the life of this process: batches and QKD-keys that were compared, differed, found no match. */
  readonly compared_keys: number;
  readonly differing_keys: number;
  readonly expired_keys: number;
  readonly extents: number;
  /** Keys on their way to applications. */
  readonly uses: number;
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
}

/** An alarm that is raised, or waits to be acknowledged. Times in RFC 3339. */
export interface KmAlarmStatus {
  readonly alarm: string;
  readonly severity: string;
  readonly active: boolean;
  readonly acknowledged: boolean;
  readonly since: string;
  readonly count: number;
  readonly detail?: string;
  readonly text: string;
  readonly action: string;
}

/** Where the store's master key is from: see the configuration's table `[store]`. */
export interface MasterKeyStatus {
  /** `next_file`: the file that is to be put in place of `master_key_file`. */
  readonly from: "file" | "next_file" | "hsm";
  /** Bytes that are still to be sealed anew, after the store got it; missing when all is. */
  readonly resealing_bytes?: number;
}

/** What an order to give the store another master key brought. */
export interface Rekeyed {
  readonly from: MasterKeyStatus["from"];
  readonly resealing_bytes: number;
}

export interface KmStatus {
  readonly km_id: string;
  readonly version: string;
  /** s since this process began. */
  readonly uptime_s: number;
  readonly store: {
    readonly buffered_keys: number;
    readonly buffered_bits: number;
    readonly stock_bits: number;
    readonly disk_bytes: number;
    readonly limit_bytes: number;
    readonly full: boolean;
    readonly master_key: MasterKeyStatus;
  };
  readonly nodes_connected: number;
  /** Answers other than `success`, since the start. */
  readonly refused: Readonly<Record<string, number>>;
  readonly links: readonly LinkStatus[];
  readonly modules: readonly ModuleStatus[];
  /** Worst first. */
  readonly alarms: readonly KmAlarmStatus[];
}
