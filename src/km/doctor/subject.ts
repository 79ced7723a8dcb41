/** Whom the doctor looks at. */
import type { Clock } from "../../base/clock.ts";
import type { KmConfig } from "../config/load.ts";
import type { KmStatus } from "../model/status.ts";

export interface Subject {
  /** The configuration's file. */
  readonly file: string;
  /** Reads and checks it, and that the files it names can be read. @throws ConfigError */
  readonly load: () => KmConfig;
  /** The same without those files. @throws ConfigError */
  readonly read: () => KmConfig;
  /** Asks the running key manager. @throws Error if it does not run, or may not be asked */
  readonly ask: (name: "status" | "logs", args?: { readonly n: number }) => Promise<unknown>;
  readonly clock: Clock;
  /** Where the kernel tells of the machine: `/proc` and `/sys`. */
  readonly proc: string;
  readonly sys: string;
}

/** What is known of a key manager that runs. */
export interface Running {
  readonly status: KmStatus;
  /** The last lines of its log. */
  readonly log: readonly string[];
}
