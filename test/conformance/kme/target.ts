/** The KMEs that are tried: where they are, and who the suite is to them. */
import type { Credentials } from "../km/target.ts";

export type { Credentials };

/** Where a KME listens. */
export interface Door {
  readonly host: string;
  readonly port: number;
  /** The name in the KME's certificate. */
  readonly serverName: string;
  /** What its paths have before `/api/v1/keys/`; mostly nothing. */
  readonly prefix: string;
  /** Who issued the KME's certificate, PEM. */
  readonly ca: string;
}

/** An application, with the KME that it asks. */
export interface Sae extends Credentials {
  readonly id: string;
  readonly door: Door;
}

export interface Target {
  readonly master: Sae;
  /** At the other KME; may share keys with the master in both directions. */
  readonly slave: Sae;
  /** Another that may share keys with the master: of the slave's KME. */
  readonly third?: Sae;
  /** A certificate that the KMEs trust, of no SAE. */
  readonly stranger?: Credentials;
  /** An answer must come within this time, ms. */
  readonly answerMs: number;
  /** Ids of dialects that are tolerated. */
  readonly tolerated: ReadonlySet<string>;
}
