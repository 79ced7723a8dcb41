/**
 * The tables of a configuration that was checked, each for the rooms that it concerns. Times are Durations,
 * whatever the unit in the file; names of files are resolved.
 */
import type { ConfiguredDriver } from "../../port/driver-kind.ts";
import type { RawConfig as Raw } from "./schema.ts";

/** Who the node is, and where its state is. */
export type NodeConfig = Raw["node"];
/** A KM. */
export type KmConfig = Raw["km"][string] & { readonly name: string };
export type ManagerConfig = NonNullable<Raw["manager"]>;
export type WebConfig = Raw["web"];
export type ServerConfig = NonNullable<Raw["server"]>;
export type PanelConfig = NonNullable<Raw["panel"]>;
export type LocalConfig = Raw["local"];
export type LedgerConfig = Raw["ledger"];
export type AlarmsConfig = Raw["alarms"];
export type ModuleConfig = Omit<Raw["module"][number], "driver" | "km"> & {
  readonly driver: ConfiguredDriver;
  /** In the order in which they are tried. */
  readonly kms: readonly KmConfig[];
};

/** What a configuration is known by, and shown as. */
export interface ConfigFile {
  readonly file: string;
  /** SHA-256 of the file's text, 16 hex digits: tells configurations apart. */
  readonly digest: string;
  /** The file as it was read, for showing: keys and values as written, without defaults. */
  readonly table: unknown;
}

/** The tables that name certificates. */
export interface CertificateTables {
  readonly modules: readonly Pick<ModuleConfig, "name" | "kms" | "driver">[];
  readonly server: ServerConfig | undefined;
  readonly web: WebConfig;
  readonly manager: ManagerConfig | undefined;
}
