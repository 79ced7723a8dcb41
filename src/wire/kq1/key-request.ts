/** Key request as a key manager writes it, and its response as it is read (Kq-1 §8.2, Tables 3 and 4). */

import { writeHeader } from "./frame.ts";
import { kind } from "./json-scan.ts";
import { command, extension, header, parameter } from "./names.ts";
import { elementsOf, Members, member } from "./supply-members.ts";

/** What is asked for. */
export interface KeyWish {
  /** Keys. */
  readonly number: number;
  /** bits */
  readonly size: number;
  /** 16 to 128 printable ASCII characters, by which it can be asked for again. */
  readonly token: string;
}

/** The payload. Over HTTPS the header `Idempotency-Key` may have the token instead. */
export function writeKeyRequest(
  { number, size }: Pick<KeyWish, "number" | "size">,
  token?: string,
): Buffer {
  const extensions = token === undefined ? [] : [{ [extension.requestId]: token }];
  return Buffer.from(
    JSON.stringify({
      [parameter.number]: number,
      [parameter.size]: size,
      [parameter.extension]: extensions,
    }),
  );
}

/** The same with its header (Annex A). */
export function writeKeyRequestFrame(messageId: number, wish: KeyWish): Buffer {
  const payload = writeKeyRequest(wish, wish.token);
  const frame = Buffer.alloc(header.length + payload.length);
  writeHeader(frame, 0, messageId, command.keyRequest, payload.length);
  payload.copy(frame, header.length);
  return frame;
}

/** What a node may say to a request; `other` stands for what is not of this table. */
const words = [
  "success",
  "no_keys_available",
  "busy",
  "key_length_unsupported",
  "invalid_message",
  "unauthorized",
] as const;

export type KeyResponseWord = (typeof words)[number] | "other";

export interface KeyResponse {
  readonly response: KeyResponseWord;
  /** Where the elements of `keys` are. */
  readonly keys: readonly { readonly from: number; readonly to: number }[];
  /** Keys that were asked for and did not fit. */
  readonly remaining: number;
}

/** A longer extension is not looked at, bytes. */
const longestExtension = 1_024;
/** A longer word is none, bytes. */
const longestWord = 64;

/** @returns undefined if it is no JSON object, or has a member twice */
export function readKeyResponse(
  bytes: Buffer,
  start: number,
  end: number,
): KeyResponse | undefined {
  const members = new Members();
  if (members.find(bytes, start, end) !== "good") return undefined;
  const { kinds, from, to } = members;
  const place = (which: number) => [from[which] as number, to[which] as number] as const;
  const isArray = kinds[member.keys] === kind.array;
  const keys = isArray ? [...elementsOf(bytes, ...place(member.keys))] : [];
  let response: KeyResponseWord = keys.length > 0 ? "success" : "other";
  if (members.has(member.response)) {
    const [wordFrom, wordTo] = place(member.response);
    const isWord = kinds[member.response] === kind.text && wordTo - wordFrom <= longestWord;
    const said = isWord ? bytes.toString("latin1", wordFrom, wordTo) : "";
    response = words.find((word) => word === said) ?? "other";
  }
  // Success without a key would be asked for again at once, for ever.
  if (response === "success" && keys.length === 0) response = "other";
  return { response, keys, remaining: remainingIn(bytes, members) };
}

function remainingIn(bytes: Buffer, { kinds, from, to }: Members): number {
  const [start, end] = [from[member.extension] as number, to[member.extension] as number];
  if (kinds[member.extension] !== kind.array || end - start > longestExtension) return 0;
  const all: unknown = JSON.parse(bytes.toString("utf8", start, end));
  for (const one of Array.isArray(all) ? all : []) {
    const remaining: unknown = one?.[extension.remaining];
    if (typeof remaining === "number" && Number.isSafeInteger(remaining)) {
      return Math.max(0, remaining);
    }
  }
  return 0;
}
