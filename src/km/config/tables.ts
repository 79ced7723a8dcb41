/**
 * The tables of a configuration that was checked, each for the rooms that it concerns. Times are in ms, whatever
 * the unit in the file; names of files are resolved.
 */
import type { ControllerConfig } from "./controllers.ts";
import type { RawConfig as Raw } from "./schema.ts";

/** Who the key manager is, and where its state is. */
export type KmTable = Raw["km"];
/** The token that wraps the master key; `key` is its KM's ID where none is given. */
export type HsmTable = NonNullable<Raw["store"]["hsm"]> & { readonly key: string };
export type StoreTable = Omit<Raw["store"], "hsm"> & { readonly hsm?: HsmTable };
export type RecordsTable = Raw["records"];
export type ManagerTable = NonNullable<Raw["manager"]>;
export type AlarmsTable = Raw["alarms"];
export type Kq1Table = NonNullable<Raw["kq1"]>;
export type KxTable = NonNullable<Raw["kx"]>;
export type CkTable = NonNullable<Raw["ck"]>;
export type Etsi014Table = NonNullable<Raw["etsi014"]>;
export type SkipTable = NonNullable<Raw["skip"]>;
export type WebTable = NonNullable<Raw["web"]>;
export type LocalTable = Raw["local"];
export type LogTable = Raw["log"];
export type ModuleConfig = Raw["module"][string] & { readonly name: string };
export type LinkConfig = Raw["link"][string] & { readonly name: string };

/** What a configuration is read from, and known by. */
export interface ConfigFile {
  readonly file: string;
  /** Tells configurations apart; not a secret. */
  readonly digest: string;
}

/** The tables that name certificates. */
export interface CertificateTables {
  readonly kq1?: Kq1Table | undefined;
  readonly kx?: KxTable | undefined;
  readonly ck?: CkTable | undefined;
  readonly etsi014?: Etsi014Table | undefined;
  readonly manager?: ManagerTable | undefined;
  readonly web?: WebTable | undefined;
  readonly controllers?: readonly ControllerConfig[];
}

/** The tables that are shown of a key manager that runs. */
export interface ShownTables {
  readonly km: KmTable;
  readonly store: StoreTable;
  readonly records: RecordsTable;
  readonly kq1?: Kq1Table | undefined;
  readonly kx?: KxTable | undefined;
  readonly links: readonly LinkConfig[];
  readonly modules: readonly ModuleConfig[];
  readonly controllers: readonly ControllerConfig[];
  readonly ck?: CkTable | undefined;
  readonly etsi014?: Etsi014Table | undefined;
  readonly web?: WebTable | undefined;
  readonly log: LogTable;
  readonly local: LocalTable;
}
