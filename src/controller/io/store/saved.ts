/** Records as a database has them, and as the core does. Pure. */
import { Fault } from "../../../base/errors.ts";
import { nothingSaved, type Saved, type SavedTable } from "../../core/world.ts";

const tables: readonly SavedTable[] = Object.keys(nothingSaved()) as SavedTable[];

export interface Row {
  readonly table: string;
  readonly id: string;
  /** JSON */
  readonly value: string;
}

/**
 * Rows of tables that this version does not know are left where they are, and passed over.
 * @throws Fault `db.corrupt` naming the row that is not JSON
 */
export function savedOf(rows: Iterable<Row>): Saved {
  const saved = Object.fromEntries(tables.map((table) => [table, new Map<string, unknown>()]));
  for (const row of rows) saved[row.table]?.set(row.id, parsed(row));
  return saved as unknown as Saved;
}

function parsed({ table, id, value }: Row): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new Fault("db.corrupt", "a record of the controller is no JSON", { table, id });
  }
}
