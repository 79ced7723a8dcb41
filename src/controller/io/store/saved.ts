/** Records as a database has them, and as the core does. Pure. */
import { crc32 } from "node:zlib";
import * as v from "valibot";
import { Fault } from "../../../base/errors.ts";
import { nothingSaved, type SavedTable } from "../../core/world.ts";
import { shapes } from "./shapes.ts";

/** Rows of tables that this version does not know are left where they are, and passed over. */
export const tables: readonly SavedTable[] = Object.keys(nothingSaved()) as SavedTable[];

export interface Row {
  readonly table: string;
  readonly id: string;
  /** JSON, with its checksum behind it: see {@link summed}. */
  readonly value: string;
}

const sumLength = 10;

function sumOf(table: string, id: string, json: string): string {
  return ` #${crc32(`${table}\0${id}\0${json}`).toString(16).padStart(8, "0")}`;
}

/** A record as a database has it: a bit that turned in it must not let in again who was taken back. */
export function summed(table: string, id: string, value: unknown): string {
  const json = JSON.stringify(value);
  return `${json}${sumOf(table, id, json)}`;
}

/** @throws Fault `db.corrupt` naming the row that is damaged, or that is no record of its table */
export function parsed({ table, id, value }: Row): unknown {
  // Those of before have no checksum.
  const isSummed = value.at(-sumLength) === " " && value.at(1 - sumLength) === "#";
  const json = isSummed ? value.slice(0, -sumLength) : value;
  try {
    if (isSummed && value.slice(-sumLength) !== sumOf(table, id, json)) throw new Error("its sum");
    const record: unknown = JSON.parse(json);
    const shape = (shapes as Partial<Record<string, v.GenericSchema>>)[table];
    if (shape !== undefined && !v.is(shape, record)) throw new Error("its shape");
    return record;
  } catch {
    throw new Fault("db.corrupt", "a record of the controller is damaged", { table, id });
  }
}
