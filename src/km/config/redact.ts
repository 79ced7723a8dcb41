/** What of a key manager's configuration may be shown: what the schema has. None of it is a secret itself. */
import { redactTable, type Shown } from "../../host/config/redact.ts";
import { shownKeys } from "./load.ts";
import type { ShownTables } from "./tables.ts";

const shown: Shown = { keys: new Set(shownKeys), named: ["module", "link", "sae", "controller"] };

/** @param table a configuration as TOML reads it, good or not */
export function redactedTable(table: unknown): unknown {
  return redactTable(table, shown);
}

/** What a key manager runs with, defaults included; lengths of time in ms. */
export function runningTable(config: ShownTables): unknown {
  const { km, store, records, kq1, kx, links, modules, controllers } = config;
  const { etsi014, web, log, local } = config;
  const named = (list: readonly { readonly name: string }[]) =>
    Object.fromEntries(list.map(({ name, ...one }) => [name, one]));
  const table = { km, store, records, kq1, kx, etsi014, web, log, local };
  const controller = named(
    controllers.map(({ serverName, isOwn: _, ...one }) => ({ ...one, server_name: serverName })),
  );
  return redactedTable({ ...table, link: named(links), module: named(modules), controller });
}
