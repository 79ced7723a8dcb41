/** Whom the doctor looks at. */
import type { Clock } from "../../base/clock.ts";
import type { ControllerConfig } from "../config/load.ts";
import type { StatusPart } from "../local/parts.ts";
import type { ControllerStatus } from "../model/status.ts";

export interface Subject {
  /** The configuration's file. */
  readonly file: string;
  /** Reads and checks it, and that the files it names can be read. @throws ConfigError */
  readonly load: () => ControllerConfig;
  /** The same without those files. @throws ConfigError */
  readonly read: () => ControllerConfig;
  /** Asks the running controller. @throws Error if it does not run, or may not be asked */
  readonly ask: (name: "status") => Promise<unknown>;
  readonly clock: Clock;
  /** Where the kernel tells of the machine: `/proc` and `/sys`. */
  readonly proc: string;
  readonly sys: string;
}

/** What is known of a controller that runs. */
export interface Running {
  /** Lists of a large network may be cut. */
  readonly status: ControllerStatus & Pick<StatusPart, "omitted">;
}
