/** Requests of SKIP (draft-cisco-skip, "SKIP API"), as a key provider reads them. Pure. */
import { longestSystemId, mostEntropyBits, parameter, standardBits } from "./names.ts";
import { SkipRefusal, unknownKey, unknownSystem } from "./refusal.ts";

export type SkipRequest =
  | { readonly kind: "capabilities" }
  /** @property bits a multiple of 8 */
  | { readonly kind: "entropy"; readonly bits: number }
  | { readonly kind: "new key"; readonly remote: string; readonly bits: number }
  /** @property id 32 lower-case hexadecimal digits */
  | { readonly kind: "key"; readonly remote: string; readonly id: string };

/** Lengths of a new key, bits. */
export interface KeyBits {
  readonly least: number;
  readonly most: number;
}

/**
 * @param method of HTTP
 * @param url of the request: a path, with a query or without
 * @throws SkipRefusal 400 malformed, 404 another path, 405 another method
 */
export function skipRequest(method: string, url: string, limits: KeyBits): SkipRequest {
  const at = url.indexOf("?");
  const path = at < 0 ? url : url.slice(0, at);
  const [, name, id, ...more] = path.split("/");
  const isPath = path.startsWith("/") && more.length === 0;
  const isKnown = name === "key" || ((name === "capabilities" || name === "entropy") && !has(id));
  if (!isPath || !isKnown) throw new SkipRefusal(404, "no such path");
  if (method !== "GET") throw new SkipRefusal(405, "GET only");
  const query = new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
  if (name === "capabilities") return { kind: "capabilities" };
  if (name === "entropy") return { kind: "entropy", bits: entropyBits(query) };
  const remote = single(query, parameter.remoteSystem);
  if (remote === undefined) throw new SkipRefusal(400, "remoteSystemID is missing");
  if (remote.length > longestSystemId) throw unknownSystem();
  if (id === undefined) return { kind: "new key", remote, bits: keyBits(query, limits) };
  // Every key ID of this KM is so: another one is of no key. Nor is an empty one: who lost its ID wants no new key.
  if (!/^[0-9a-f]{32}$/i.test(id)) throw unknownKey();
  return { kind: "key", remote, id: id.toLowerCase() };
}

function has(part: string | undefined): part is string {
  return part !== undefined && part !== "";
}

function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name);
  if (values.length > 1) throw new SkipRefusal(400, `${name} is there twice`);
  return values[0] === "" ? undefined : values[0];
}

function bitsOf(query: URLSearchParams, name: string): number {
  const text = single(query, name) ?? String(standardBits);
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new SkipRefusal(400, `${name} is not a number of bits`);
  return Number(text);
}

function keyBits(query: URLSearchParams, { least, most }: KeyBits): number {
  const bits = bitsOf(query, parameter.size);
  if (bits % 8 !== 0) throw new SkipRefusal(400, "size is not a multiple of 8");
  if (bits < least || bits > most) {
    throw new SkipRefusal(400, `size is not from ${least} to ${most} bits`);
  }
  return bits;
}

/** What was asked for is the least that is wanted: whole bytes. */
function entropyBits(query: URLSearchParams): number {
  const bits = bitsOf(query, parameter.bits);
  if (bits > mostEntropyBits) {
    throw new SkipRefusal(400, `minentropy is over ${mostEntropyBits} bits`);
  }
  return Math.ceil(bits / 8) * 8;
}
