/** Which store books are of: those of another one tell of keys that are not here, and nothing of those that are. */
import { hash } from "node:crypto";
import { Fault } from "../../../base/errors.ts";
import type { Keyring } from "./keyring.ts";
import type { ConsumedRow } from "./ledger.ts";

/** Number of a row that is of no group. An older key manager writes none. */
const storeRow = -3;

/** Row that tells it, written by each start: the same for the life of a store, whatever its master key is. */
export function rowOfStore({ mask }: Keyring): ConsumedRow {
  const digest = hash("sha256", Buffer.concat([Buffer.from("books of a store\n"), mask]), "buffer");
  return { grp: storeRow, segment: 0, bits: digest.subarray(0, 16) };
}

/** @param folder of the store @throws Fault `km_store.corrupt` */
export function assertBooksOf(
  keyring: Keyring,
  consumed: readonly ConsumedRow[],
  folder: string,
): void {
  const found = consumed.find(({ grp }) => grp === storeRow);
  if (found === undefined || Buffer.from(found.bits).equals(rowOfStore(keyring).bits)) return;
  const facts = { file: `${folder}/books.sqlite` };
  throw new Fault("km_store.corrupt", "the books are those of another store", facts);
}
