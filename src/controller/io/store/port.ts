/** What a store of the controller must do: records by table and ID, the log of changes, and who leads. */

import type { LogLimit } from "../../../base/log-limit.ts";
import type { Account } from "../../accounting/accounts.ts";
import type { Saved, SavedTable } from "../../core/world.ts";
import type { ChangeStatus } from "../../model/status.ts";

/** One record that is written, or removed. */
export interface Written {
  readonly table: SavedTable;
  readonly id: string;
  /** As {@link summed} makes it; undefined: the record is removed, or the period: see {@link periodIn}. */
  readonly value: string | undefined;
}

/** A database, as the store writes to it. */
export interface Engine {
  /** As people know it: a file, or `host:port/name`. */
  readonly name: string;
  /**
   * All but old accounts.
   * @param period start of the period of accounts of now, ms since 1970 UTC
   * @throws Fault `db.*`
   */
  load(period: number): Promise<Saved>;
  /**
   * Accounts, the oldest first.
   * @param after the ID of the last one that was read; empty: from the first on
   * @param count at most so many
   * @throws Fault `db.*`
   */
  accounts(after: string, count: number): Promise<readonly StoredAccount[]>;
  /**
   * One transaction: all of it is durable, or nothing.
   * @param changes for the log, the oldest first; of it the newest {@link mostChanges} are kept, and as many orders:
   *   what happens in the network, or is made to happen, takes no order of a person out of it
   * @param isAll what else there is of records goes, but for accounts
   * @throws Fault `db.*`
   */
  write(
    records: readonly Written[],
    changes: readonly ChangeStatus[],
    isAll?: boolean,
  ): Promise<void>;
  /** The newest first; undefined: what is there is no change. @throws Fault `db.*` */
  changes(count: number): Promise<readonly (ChangeStatus | undefined)[]>;
  close(): Promise<void>;
}

export interface StoredAccount {
  readonly id: string;
  readonly account: Account;
}

/** The period whose accounts are removed, all of them; undefined: it is one record. */
export function periodIn({ table, id, value }: Written): string | undefined {
  return table === "account" && value === undefined && /^\d+$/.test(id) ? id : undefined;
}

/** Changes that can be shown: of the others it is told how many there are. */
export function goodChanges(
  all: readonly (ChangeStatus | undefined)[],
  limit: Pick<LogLimit, "warn">,
): ChangeStatus[] {
  const good = all.filter((one) => one !== undefined);
  const count = all.length - good.length;
  if (count > 0) limit.warn("database", "what is no change is left out of the changes", { count });
  return good;
}

/** Changes that are kept. */
export const mostChanges = 10_000;

/** Whether a change is what a person ordered, or that another controller leads. */
export function isOrder({ kind }: Pick<ChangeStatus, "kind">): boolean {
  return kind === "policy" || kind === "service" || kind === "leader";
}

/** Bytes of JSON of one record. */
export const longestRecord = 16_384;
