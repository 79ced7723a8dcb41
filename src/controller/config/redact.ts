/** What of a controller's configuration may be shown: what the schema has. None of it is a secret itself. */
import { redactTable, type Shown } from "../../host/config/redact.ts";
import { shownKeys } from "./load.ts";
import type { ShownTables } from "./tables.ts";

const shown: Shown = {
  keys: new Set(shownKeys),
  named: ["node", "link", "pair", "class", "application"],
};

/** @param table a configuration as TOML reads it, good or not */
export function redactedTable(table: unknown): unknown {
  return redactTable(table, shown);
}

/** What a controller runs with, defaults included; lengths of time in ms. */
export function runningTable(config: ShownTables): unknown {
  const { controller, ck, database, alarms, routing, sessions, accounting, access } = config;
  const { node, link, pair, class: classes, application, web, log, local } = config;
  return redactedTable({
    ...{ controller, ck, database, alarms, routing, sessions, accounting, access },
    ...{ node, link, pair, class: classes, application, web, log, local },
  });
}
