/** The books of a link as rows: JSON, without a key byte. A row that can't be read ends the start. Keys: `use-rows.ts`. */
import * as v from "valibot";
import { Fault } from "../../base/errors.ts";
import type { Extent, LinkState } from "./shapes.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hex = v.pipe(v.string(), v.regex(/^([0-9a-f]{2})+$/));

const linkRow = v.strictObject({
  mark: count,
  heardMark: count,
  peer: v.optional(v.string()),
  highest: count,
  told: v.strictObject({ number: count, taken: count, expired: count }),
  heard: v.strictObject({ number: count, taken: count, expired: count }),
  matched: count,
  leaders: count,
});

const extentRow = v.strictObject({
  n: count,
  length: count,
  digest: hex,
  modules: v.tuple([v.string(), v.string()]),
  keys: count,
  unit: count,
  at: v.number(),
  /** start, end, version, mark, giving */
  regions: v.array(v.tuple([count, count, count, count, v.boolean()])),
});

function read<T>(
  schema: v.BaseSchema<unknown, T, v.BaseIssue<unknown>>,
  value: Buffer,
  what: string,
): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString("utf8"));
  } catch {
    throw new Fault("km_store.corrupt", "a row of the books is not JSON", { row: what });
  }
  const result = v.safeParse(schema, parsed);
  if (result.success) return result.output;
  throw new Fault("km_store.corrupt", "a row of the books has another form", {
    row: what,
    member: v.getDotPath(result.issues[0]) ?? "",
  });
}

function write(value: object): Buffer {
  return Buffer.from(JSON.stringify(value), "utf8");
}

export function encodeLink(state: LinkState): Buffer {
  return write(state);
}

/** @param value missing: a link that begins */
export function decodeLink(value: Buffer | undefined): LinkState {
  if (value !== undefined) return read(linkRow, value, "link");
  const none = () => ({ number: 0, taken: 0, expired: 0 });
  return {
    mark: 0,
    heardMark: 0,
    highest: 0,
    told: none(),
    heard: none(),
    matched: 0,
    leaders: 0,
  };
}

export function encodeExtent({ number, length, digest, facts, regions }: Extent): Buffer {
  return write({
    n: number,
    length,
    digest: digest.toString("hex"),
    ...facts,
    regions: regions.map((r) => [r.start, r.end, r.version, r.mark, r.giving]),
  });
}

/** @throws Fault `km_store.corrupt` */
export function decodeExtent(value: Buffer): Extent {
  const { n, length, digest, modules, keys, unit, at, regions } = read(extentRow, value, "extent");
  return {
    number: n,
    length,
    digest: Buffer.from(digest, "hex"),
    facts: { modules, keys, unit, at },
    regions: regions.map(([start, end, version, mark, giving]) => ({
      start,
      end,
      version,
      mark,
      giving,
    })),
    open: true,
    used: regions.reduce((sum, [start, , , mark]) => sum + mark - start, 0),
    uses: 0,
  };
}
