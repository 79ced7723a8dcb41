/** Paths of ETSI GS QKD 014 (§5.1, Table 1): `/api/v1/keys/{SAE_ID}/{method}`. Pure. */
import { isSaeId } from "./key-request.ts";
import { base } from "./names.ts";
import { badRequest, EtsiRefusal } from "./refusal.ts";

export const methods = ["status", "enc_keys", "dec_keys"] as const;
export type Method = (typeof methods)[number];

/**
 * @param url of a request: a path, with a query or without
 * @returns the method, the SAE that the path names, and the query
 * @throws EtsiRefusal 404 for another path, 400 for an ID that is none
 */
export function pathOf(url: string): {
  readonly method: Method;
  readonly sae: string;
  readonly query: URLSearchParams;
} {
  const mark = url.indexOf("?");
  const path = mark < 0 ? url : url.slice(0, mark);
  const slash = path.startsWith(base) ? path.indexOf("/", base.length) : -1;
  const last = slash < 0 ? "" : path.slice(slash + 1);
  const method = methods.find((one) => one === last);
  if (method === undefined) throw new EtsiRefusal(404, "no such path");
  const written = path.slice(base.length, slash);
  let sae: string;
  try {
    sae = decodeURIComponent(written);
  } catch {
    throw badRequest("the path is not percent-encoded UTF-8");
  }
  if (!isSaeId(sae)) throw badRequest("the path names no SAE");
  return { method, sae, query: new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1)) };
}
