/**
 * Records of the life of keys as messages: JSON of at most 16 KiB, as many records as there is room for. A longer
 * one is told in parts. No key byte is in any. Pure.
 */
import { time } from "../../ops/manager/payloads.ts";
import { maxPayload } from "../../ops/outbox/payload.ts";
import { uuidOf } from "../records/kma-key-id.ts";
import { type Facts, type KeyRange, type LifeRecord, wholeExtent } from "../records/record.ts";

export type NumberedRecord = LifeRecord & { readonly number: number };

/** Of a message, what is around its records, bytes. */
const around = 256;
const room = maxPayload - around;
/** Texts of a record, such as a set of applications, are told up to this length, characters. */
const longestText = 1_024;
/** Pairs of modules of a record are told up to so many. */
const mostModules = 8;

/** @param boot starts of the key manager on its state */
export function* recordMessages(
  records: Iterable<NumberedRecord>,
  boot: number,
): Generator<Buffer> {
  let gathered: string[] = [];
  let length = 0;
  const message = () => Buffer.from(`{"boot":${boot},"records":[${gathered.join(",")}]}`);
  for (const record of records) {
    for (const text of partsOf(record)) {
      const bytes = Buffer.byteLength(text) + 1;
      if (gathered.length > 0 && length + bytes > room) {
        yield message();
        gathered = [];
        length = 0;
      }
      gathered.push(text);
      length += bytes;
    }
  }
  if (gathered.length > 0) yield message();
}

/** Something of a record's lists, as JSON. */
interface Piece {
  readonly list: "runs" | "ids" | "ranges";
  readonly text: string;
}

/** A record as JSON, in as many parts as it needs. */
function* partsOf(record: NumberedRecord): Generator<string> {
  const head = JSON.stringify({
    number: record.number,
    kind: record.kind,
    t: time(record.at),
    ...factsOf(record.facts),
  });
  let part = 1;
  let open = head;
  let lists: Record<Piece["list"], string[]> = { runs: [], ids: [], ranges: [] };
  let length = Buffer.byteLength(head);
  const close = (more: boolean) => {
    const named = Object.entries(lists).flatMap(([name, texts]) =>
      texts.length === 0 ? [] : [`"${name}":[${texts.join(",")}]`],
    );
    const split = part > 1 || more ? [`"part":${part}`, ...(more ? [`"more":true`] : [])] : [];
    return `${open.slice(0, -1)}${[...named, ...split].map((text) => `,${text}`).join("")}}`;
  };
  for (const { list, text } of piecesOf(record)) {
    // Digits, letters and punctuation of ours: a byte each.
    const bytes = text.length + 1;
    // Names of lists, and which part it is.
    if (length + bytes + 80 > room) {
      yield close(true);
      part++;
      open = JSON.stringify({ number: record.number, kind: record.kind, t: time(record.at) });
      lists = { runs: [], ids: [], ranges: [] };
      length = Buffer.byteLength(open);
    }
    lists[list].push(text);
    length += bytes;
  }
  yield close(false);
}

function* piecesOf({ ids, ranges, facts }: LifeRecord): Generator<Piece> {
  for (const [count, bits, at, generatedAt, qber, module] of facts.runs ?? []) {
    const run = {
      ...{ count, bits },
      received: time(at),
      ...(generatedAt !== null && { generated: time(generatedAt) }),
      ...(qber !== null && { qber }),
      ...(module < mostModules && { module }),
    };
    yield { list: "runs", text: JSON.stringify(run) };
  }
  const hex = ids.toString("hex");
  for (let at = 0; at < hex.length; at += 32) yield { list: "ids", text: `"${uuidOf(hex, at)}"` };
  for (const range of ranges) yield { list: "ranges", text: rangeText(range, ids.length > 0) };
}

function rangeText({ extent, key, start, end }: KeyRange, ofKeys: boolean): string {
  const whole = start === 0 && end === wholeExtent;
  const bytes = whole ? "" : `,"start":${start},"end":${end}`;
  return `{"extent":${extent}${ofKeys ? `,"key":${key}` : ""}${bytes}}`;
}

function factsOf({ runs: _, modules, from, to, ...facts }: Facts): Record<string, unknown> {
  const cut = Object.entries(facts).map(([name, value]) => [
    name,
    typeof value === "string" ? value.slice(0, longestText) : value,
  ]);
  return {
    ...Object.fromEntries(cut),
    ...(modules !== undefined && { modules: modules.slice(0, mostModules) }),
    ...(from !== undefined && { from: time(from) }),
    ...(to !== undefined && { to: time(to) }),
  };
}
