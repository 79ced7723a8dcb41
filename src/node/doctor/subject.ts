/** Whom the doctor looks at. */

import type { Clock } from "../../base/clock.ts";
import type { Health, KeptBack, Site } from "../../ops/cli/shapes.ts";
import type { ReadName } from "../../ops/local/protocol.ts";
import type { Config } from "../config/load.ts";

export interface Subject {
  /** The configuration's file. */
  readonly file: string;
  /** Reads and checks it, and the files that it names. @throws ConfigError */
  readonly load: () => Config;
  /** The same without those files. @throws ConfigError */
  readonly read: () => Config;
  /** Asks the running node. @throws Error if it does not run, or may not be asked */
  readonly ask: (name: ReadName) => Promise<unknown>;
  readonly clock: Clock;
  /** Where the kernel tells of the machine: `/proc` and `/sys`. */
  readonly proc: string;
  readonly sys: string;
}

/** A running node, as far as it is of interest here. */
export interface NodeFacts {
  readonly node: string;
  readonly boot: number;
  readonly pid: number;
  readonly uptime_s: number;
  readonly rss_bytes: number;
  readonly config: { readonly file: string; readonly digest: string };
  readonly modules: readonly {
    readonly name: string;
    readonly state: string;
    readonly reason: string;
    readonly module_id?: string;
    readonly matching_module_id?: string;
    readonly firmware?: string;
    readonly qber?: number;
    readonly keys: { readonly confirmed: number };
    /** Absent: the node is older. */
    readonly health?: Health;
    readonly kept_back?: readonly KeptBack[];
  }[];
  readonly site?: Site;
  readonly broker?: { readonly url: string; readonly up: boolean; readonly reason: string };
}

export interface LinkFacts {
  readonly modules: readonly {
    readonly module: string;
    readonly up: boolean;
    readonly reason: string;
    readonly kms: readonly {
      readonly name: string;
      readonly up: boolean;
      readonly awaited: boolean;
      readonly reason: string;
    }[];
  }[];
}

export interface AlarmFacts {
  readonly alarms: readonly {
    readonly alarm: string;
    readonly name: string;
    readonly object: string;
    readonly severity: string;
    readonly active: boolean;
    readonly text: string;
    readonly action: string;
    readonly detail?: string;
  }[];
}

/** What is known of a node that runs. */
export interface Running {
  readonly status: NodeFacts;
  readonly links: LinkFacts;
  readonly alarms: AlarmFacts;
}
