/**
 * Proactive key supply beside ETSI GS QKD 014 (Q.4160 I.2): paths and bodies by which an application gets a session, and
 * another one, which listens, is told of it and brought keys. The project's own; pure.
 */
import { writeKeyContainer } from "./container.ts";
import { isSaeId } from "./key-request.ts";
import { membersOf } from "./members.ts";
import { ownBase } from "./names.ts";
import { badRequest, EtsiRefusal } from "./refusal.ts";

/** What is asked for. */
export type ProactivePath =
  /** A session with this SAE. */
  | { readonly kind: "session"; readonly sae: string }
  /** The next notice, for which the caller waits so long, ms. */
  | { readonly kind: "listen"; readonly waitMs: number }
  /** An answer to this notice. */
  | { readonly kind: "answer"; readonly notice: string };

/** How long a caller waits for a notice, s. */
const wait = { usual: 30, most: 60 } as const;
const ownBases = Object.values(ownBase);
/** Longest body of a request for a session, and of an answer, without key IDs; bytes. */
export const longestAnswer = 4_096;
/** Characters of a response that is none of success. */
const longestResponse = 256;

/** @returns undefined for a path of the standard @throws EtsiRefusal 400, 404 */
export function proactivePathOf(url: string): ProactivePath | undefined {
  const base = ownBases.find((one) => url.startsWith(one));
  if (base === undefined) return undefined;
  const [path = "", ...rest] = url.split("?");
  if (!isBelow(path, base)) return undefined;
  const written = path.slice(base.length + 1);
  if (written.includes("/")) throw new EtsiRefusal(404, "no such path");
  if (base === ownBase.sessions) return { kind: "session", sae: saeOf(written) };
  if (written !== "") return { kind: "answer", notice: written };
  if (path !== base) throw new EtsiRefusal(404, "no such path");
  return { kind: "listen", waitMs: waitOf(new URLSearchParams(rest.join("?"))) * 1_000 };
}

function isBelow(path: string, base: string): boolean {
  return path === base || path.startsWith(`${base}/`);
}

function saeOf(written: string): string {
  let sae: string;
  try {
    sae = decodeURIComponent(written);
  } catch {
    throw badRequest("the path is not percent-encoded UTF-8");
  }
  if (!isSaeId(sae)) throw badRequest("the path names no SAE");
  return sae;
}

function waitOf(query: URLSearchParams): number {
  const [value = String(wait.usual), more] = query.getAll("wait_s");
  const seconds = /^\d{1,3}$/.test(value) ? Number(value) : Number.NaN;
  if (more === undefined && seconds <= wait.most) return seconds;
  throw badRequest(`wait_s is not a whole number from 0 to ${wait.most}`);
}

/** The answer to a notice of a session. @returns whether it is taken part in @throws EtsiRefusal 400 */
export function isAccepted(body: Buffer): boolean {
  const { response } = membersOf(body);
  if (typeof response !== "string" || response === "" || response.length > longestResponse) {
    throw badRequest('response is not "success", or a reason');
  }
  return response === "success";
}

export interface NoticeHead {
  readonly id: string;
  readonly session: string;
  /** SAE ID of who began the session. */
  readonly master: string;
}

function headOf(notice: "session" | "end" | "keys", { id, session, master }: NoticeHead): object {
  return { notice_ID: id, notice, session_ID: session, master_SAE_ID: master };
}

/** A session begins, or it is over. */
export function writeSessionNotice(notice: "session" | "end", head: NoticeHead): Buffer {
  return Buffer.from(JSON.stringify(headOf(notice, head)));
}

/**
 * A notice with keys: a Key container (§6.3) with the members of a notice before its own.
 * @param ids 32 hexadecimal digits each @param bytes of the keys, one after the other, all of one length
 * @returns memory of its own that the caller wipes once it was sent
 */
export function writeKeyNotice(
  head: NoticeHead,
  ids: readonly string[],
  keys: readonly Uint8Array[],
): Buffer {
  const members = JSON.stringify(headOf("keys", head)).slice(1, -1);
  return writeKeyContainer(ids, keys, false, `${members},`);
}

export function writeSession(id: string): Buffer {
  return Buffer.from(JSON.stringify({ session_ID: id }));
}
