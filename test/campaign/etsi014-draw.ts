/** Requests of ETSI GS QKD 014 as nobody should send them: mostly near to what is right, some of them right. */
import type { Random } from "../random.ts";

/** What a hostile application has heard of. */
export interface Known {
  readonly saes: readonly string[];
  /** key_IDs of others' keys. */
  readonly ids: readonly string[];
}

export interface DrawnRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

const pick = <T>(next: Random, of: readonly T[]): T => of[Math.floor(next() * of.length)] as T;

const oddNumbers = [0, -1, 1, 2, 1.5, 1e9, 1e18, -8, 8, 7, 64, 257, 65_536, 2 ** 32];
const oddTexts = [
  ..."\0 \"'\\/%é😀",
  "",
  "__proto__",
  "constructor",
  "../..",
  "%2e%2e",
  "app-a\0app-b",
  "a".repeat(200),
  "' OR 1=1 --",
  "\u202e",
];
const names = [
  "number",
  "size",
  "additional_slave_SAE_IDs",
  "extension_mandatory",
  "extension_optional",
  "key_IDs",
  "key_ID",
  "key_ID_extension",
  "master_SAE_ID",
  "security_level",
  "__proto__",
] as const;
const methods = ["status", "enc_keys", "dec_keys"] as const;
const noKey = "00000000-0000-4000-8000-000000000000";

function drawId(next: Random, { ids }: Known): string {
  const id = ids.length > 0 && next() < 0.8 ? pick(next, ids) : noKey;
  const how = next();
  if (how < 0.6) return id;
  if (how < 0.7) return id.toUpperCase();
  if (how < 0.8) return id.replaceAll("-", "");
  if (how < 0.9) return `${id} `;
  const at = Math.floor(next() * id.length);
  return id.slice(0, at) + pick(next, [..."0123456789abcdef-g"]) + id.slice(at + 1);
}

/** A value as a member may have it, or as none may. */
function drawValue(next: Random, known: Known, depth: number): unknown {
  const kind = Math.floor(next() * (depth > 3 ? 5 : 8));
  if (kind === 0) return pick(next, oddNumbers);
  if (kind === 1) return pick(next, oddTexts);
  if (kind === 2) return pick(next, [null, true, false]);
  if (kind === 3) return drawId(next, known);
  if (kind === 4) return pick(next, known.saes);
  if (kind > 5) return drawObject(next, known, depth + 1);
  const length = Math.floor(next() ** 4 * 20);
  return Array.from({ length }, () => drawValue(next, known, depth + 1));
}

function drawObject(next: Random, known: Known, depth: number): object {
  const members = Array.from({ length: Math.floor(next() * 4) }, () => [
    next() < 0.8 ? pick(next, names) : pick(next, oddTexts),
    drawValue(next, known, depth),
  ]);
  return Object.fromEntries(members);
}

function drawKeyIds(next: Random, known: Known): object {
  const length = 1 + Math.floor(next() ** 4 * 80);
  const element = () =>
    next() < 0.95
      ? { key_ID: drawId(next, known), ...(next() < 0.2 && drawObject(next, known, 3)) }
      : drawValue(next, known, 3);
  const more = next() < 0.1 && drawObject(next, known, 2);
  return { key_IDs: Array.from({ length }, element), ...more };
}

/** Changes some bytes of a text, cuts it, or has a piece of it twice. */
function damage(next: Random, body: Buffer): Buffer {
  const at = Math.floor(next() * body.length);
  const how = next();
  if (how < 0.3) return body.subarray(0, at);
  if (how < 0.5) return Buffer.concat([body.subarray(0, at), body]);
  const changed = Buffer.from(body);
  for (let i = 0; i < 3 && body.length > 0; i++) {
    changed[Math.floor(next() * body.length)] = next() * 256;
  }
  return changed;
}

export function drawBody(next: Random, known: Known): Buffer {
  const kind = next();
  if (kind < 0.05) return Buffer.alloc(Math.floor(next() ** 6 * 300_000), next() * 256);
  if (kind < 0.1) {
    const deep = Math.floor(next() ** 6 * 20_000);
    return Buffer.from(`{"a":${"[".repeat(deep)}${"]".repeat(deep)}}`);
  }
  const object = kind < 0.55 ? drawKeyIds(next, known) : drawObject(next, known, 0);
  const body = Buffer.from(JSON.stringify(object));
  if (kind > 0.96) {
    const twice = `{"number":1,"number":${pick(next, oddNumbers)},`;
    return Buffer.from(String(body).replace("{", twice));
  }
  return next() < 0.3 ? damage(next, body) : body;
}

const percented = (id: string) =>
  [...Buffer.from(id)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");

function drawSae(next: Random, { saes }: Known): string {
  const id = next() < 0.85 ? pick(next, saes) : pick(next, oddTexts);
  const how = next();
  if (how < 0.7) return encodeURIComponent(id);
  if (how < 0.85) return percented(id);
  return pick(next, ["", "%", "%zz", "%ff", "%00", "..", ".", "*", `${id}%2f`, `${id};a=b`]);
}

function drawQuery(next: Random, known: Known): string {
  if (next() < 0.3) return "";
  const parts = Array.from({ length: 1 + Math.floor(next() * 3) }, () => {
    const name = pick(next, names);
    const isId = name === "key_ID" || next() < 0.2;
    const other = next() < 0.7 ? pick(next, oddNumbers) : pick(next, oddTexts);
    const value = isId ? drawId(next, known) : String(other);
    return `${name}=${next() < 0.9 ? encodeURIComponent(value) : value}`;
  });
  return `?${parts.join(pick(next, ["&", "&", ";", "&&"]))}`;
}

/** Of printable characters: others HTTP's own parser refuses. */
export function drawPath(next: Random, known: Known): string {
  const sae = drawSae(next, known);
  const keys = "/api/v1/keys";
  const odd = ["/", "*", "//", `${keys}/${sae}`, `${keys}/${sae}/enc_keys/../dec_keys`, "/api/v2"];
  const path = next() < 0.9 ? `${keys}/${sae}/${pick(next, methods)}` : pick(next, odd);
  return `${path}${drawQuery(next, known)}`.replace(/[^\x21-\x7e]/g, "%20");
}

/** @param asked Idempotency-Keys of others */
export function drawRequest(next: Random, known: Known, asked: readonly string[]): DrawnRequest {
  const usual = next() < 0.9;
  const method = pick(next, usual ? ["GET", "POST", "POST"] : ["PUT", "DELETE", "OPTIONS"]);
  const headers: Record<string, string> = {};
  if (next() < 0.3 && asked.length > 0) headers["Idempotency-Key"] = pick(next, asked);
  if (next() < 0.05) headers["Content-Encoding"] = pick(next, ["gzip", "identity", "br"]);
  if (next() < 0.05) headers["X-SAE-ID"] = pick(next, known.saes);
  const body = method === "POST" || next() < 0.05 ? drawBody(next, known) : undefined;
  return { method, path: drawPath(next, known), headers, body };
}
