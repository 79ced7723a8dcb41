/**
 * Which store books are of, and of which of its keys: those of another store, or of another moment than the file with the
 * keys, tell of keys that are not here, and nothing of those that are.
 */
import { hash } from "node:crypto";
import { Fault } from "../../../base/errors.ts";
import type { Keyring } from "./keyring.ts";
import type { ConsumedRow } from "./ledger.ts";

/** Number of a row that is of no group. An older key manager writes none. */
const storeRow = -3;

/**
 * Row that tells it, written by each start and by each re-key before anything is sealed anew. Of the store it is the same
 * for its life; of its keys it has the newest, below zero where no segment has its number. An older key manager writes 0.
 */
export function rowOfStore({ mask, current }: Pick<Keyring, "mask" | "current">): ConsumedRow {
  const digest = hash("sha256", Buffer.concat([Buffer.from("books of a store\n"), mask]), "buffer");
  return { grp: storeRow, segment: -current.id, bits: digest.subarray(0, 16) };
}

/**
 * @param folder of the store @returns whether the books have the number of a key of the store @throws Fault `km_store.corrupt`
 */
export function assertBooksOf(
  keyring: Keyring,
  consumed: readonly ConsumedRow[],
  folder: string,
): boolean {
  const found = consumed.find(({ grp }) => grp === storeRow);
  if (found === undefined) return false;
  const [books, keys] = [`${folder}/books.sqlite`, `${folder}/store`];
  if (!Buffer.from(found.bits).equals(rowOfStore(keyring).bits)) {
    throw new Fault("km_store.corrupt", "the books are those of another store", { file: books });
  }
  const id = -found.segment;
  if (id === 0) return false;
  if (keyring.has(id)) return true;
  const [what, file] =
    id > keyring.current.id
      ? ["the file with the store's keys is of before a re-key, and the books are of after", keys]
      : ["the books are of before a re-key, and the file with the store's keys is of after", books];
  throw new Fault("km_store.corrupt", what, { file });
}
