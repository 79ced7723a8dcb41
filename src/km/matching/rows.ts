/** A prepared batch as a row of the books: JSON, without a key byte. */
import * as v from "valibot";
import { Fault } from "../../base/errors.ts";
import type { Agreed } from "./matched.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const row = v.strictObject({
  number: count,
  digest: v.string(),
  modules: v.tuple([v.string(), v.string()]),
  ids: v.string(),
  length: count,
  unit: count,
  split: count,
});

export function encodeBatch({ digest, ids, ...rest }: Agreed): Buffer {
  const text = { ...rest, digest: digest.toString("hex"), ids: ids.toString("base64") };
  return Buffer.from(JSON.stringify(text), "utf8");
}

/** @throws Fault `km_store.corrupt` */
export function decodeBatch(value: Buffer): Agreed {
  try {
    const { digest, ids, ...rest } = v.parse(row, JSON.parse(value.toString("utf8")));
    return { ...rest, digest: Buffer.from(digest, "hex"), ids: Buffer.from(ids, "base64") };
  } catch {
    throw new Fault("km_store.corrupt", "a row of the books has another form", { row: "batch" });
  }
}
