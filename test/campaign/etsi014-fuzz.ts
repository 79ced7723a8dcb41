/**
 * Hostile requests for everything that reads what an application sent: paths, queries, bodies. Nothing but a refusal
 * may come out, or what is within all limits.
 */
import { idsOfBody, idsOfQuery } from "../../src/wire/etsi014/key-ids.ts";
import {
  type KeyLimits,
  type KeyRequest,
  mostBitsOfRequest,
  requestOfBody,
  requestOfQuery,
} from "../../src/wire/etsi014/key-request.ts";
import { pathOf } from "../../src/wire/etsi014/path.ts";
import { EtsiRefusal } from "../../src/wire/etsi014/refusal.ts";
import { memberTwice } from "../../src/wire/kq1/member-twice.ts";
import { random } from "../random.ts";
import { inUse } from "../rig/memory.ts";
import { drawBody, drawPath, type Known } from "./etsi014-draw.ts";

export interface Etsi014FuzzResult {
  readonly inputs: number;
  readonly refused: number;
  /** What was thrown and is no refusal, and what came out beyond its limits. Must be empty. */
  readonly wrong: ReadonlySet<string>;
  /** Bytes in use more than after the first tenth of the run. */
  readonly growth: number;
}

const limits: KeyLimits = { standard: 256, least: 64, most: 65_536, number: 64, saes: 3 };
const known: Known = {
  saes: ["app-a", "app-b", "app-b2", "größe"],
  ids: Array.from({ length: 70 }, (_, i) => `0d8c9a54-0000-4000-8000-0000000000${16 + i}`),
};

function beyond({ number, size, additional }: KeyRequest): string | undefined {
  if (!Number.isSafeInteger(number) || number < 1 || number > limits.number) return "number";
  if (size % 8 !== 0 || size < limits.least || size > limits.most) return "size";
  if (number * size > mostBitsOfRequest) return "bits";
  const isUnlike = new Set(additional).size === additional.length;
  return isUnlike && additional.length <= limits.saes ? undefined : "SAEs";
}

function oddIds(ids: readonly string[]): string | undefined {
  if (ids.length < 1 || ids.length > limits.number) return "number of IDs";
  if (new Set(ids).size < ids.length) return "an ID twice";
  return ids.every((id) => /^[0-9a-f]{32}$/.test(id)) ? undefined : "an ID";
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** The same as `memberTwice`, said in another way. */
function isTwice(json: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let last = "";
  for (const [piece] of json.matchAll(token)) {
    if (piece === "{") open.push(new Set());
    else if (piece === "[") open.push(undefined);
    else if (piece === "}" || piece === "]") open.pop();
    else if (piece === ":") {
      const name = JSON.parse(last) as string;
      if (open.at(-1)?.has(name)) return true;
      open.at(-1)?.add(name);
    }
    last = piece;
  }
  return false;
}

function parsed(body: Buffer): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}

export function fuzzEtsi014(inputs: number, seed: number): Etsi014FuzzResult {
  const next = random(seed);
  const wrong = new Set<string>();
  let refused = 0;
  const attempt = <T>(act: () => T, check: (result: T) => string | undefined) => {
    try {
      const what = check(act());
      if (what !== undefined) wrong.add(what);
    } catch (error) {
      if (!(error instanceof EtsiRefusal)) wrong.add(String(error).slice(0, 200));
      else if (error.status !== 400 && error.status !== 404) wrong.add(`status ${error.status}`);
      else if (error.body().length > 1_024) wrong.add("a long refusal");
      else refused++;
    }
  };
  const path = ({ query, sae }: ReturnType<typeof pathOf>) => {
    attempt(() => requestOfQuery(query, limits), beyond);
    attempt(() => idsOfQuery(query), oddIds);
    return sae === "" || [...sae].length > 128 ? "an SAE ID" : undefined;
  };
  const body = (input: Buffer, isIds: boolean) => {
    if (isIds) attempt(() => idsOfBody(input, limits.number), oddIds);
    else attempt(() => requestOfBody(input, limits), beyond);
    const json = next() < 0.1 ? parsed(input) : undefined;
    if (json !== undefined && (memberTwice(json) !== undefined) !== isTwice(json)) {
      wrong.add("a member twice");
    }
  };
  let before = 0;
  for (let i = 0; i < inputs; i++) {
    if (i % 3 === 0) attempt(() => pathOf(drawPath(next, known)), path);
    else body(drawBody(next, known), i % 3 === 1);
    if (i === Math.floor(inputs / 10)) before = inUse();
  }
  return { inputs, refused, wrong, growth: inUse() - before };
}
