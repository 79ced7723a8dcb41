/**
 * The tables of a configuration that was checked, each for the rooms that it concerns. Times are in ms, whatever the
 * unit in the file; names of files are resolved.
 */
import type { RawConfig as Raw } from "./schema.ts";

/** Who the controller is, and where its state is. */
export type ControllerTable = Raw["controller"];
export type CkTable = Raw["ck"];
export type DatabaseTable = NonNullable<Raw["database"]>;
export type ManagerTable = NonNullable<Raw["manager"]>;
export type AlarmsTable = Raw["alarms"];
/** The authority that certifies who is registered. */
export type AuthorityTable = NonNullable<Raw["access"]["ca"]>;
export type WebTable = NonNullable<Raw["web"]>;
export type LocalTable = Raw["local"];

/** What a configuration is read from, and known by. */
export interface ConfigFile {
  readonly file: string;
  /** Tells configurations apart; not a secret. */
  readonly digest: string;
}

/** The tables that name certificates. */
export interface CertificateTables {
  readonly ck: CkTable;
  readonly manager?: ManagerTable | undefined;
  readonly web?: WebTable | undefined;
  readonly access: Raw["access"];
}

/** A key manager of the configuration, and by which names in its certificate it is known. */
export interface KnownKm {
  readonly km: string;
  readonly names: readonly string[];
}

/** The tables that are shown of a controller that runs. */
export type ShownTables = Omit<Raw, "manager">;
