/**
 * The one-time MAC of the answer to a proposal: Poly1305 again, with the first half of the key that the proposal was
 * under, and a second half of its own. So two messages share what they are evaluated at, and neither tag says anything of
 * it (Wegman-Carter). Pure.
 */
import { timingSafeEqual } from "node:crypto";
import { matchText } from "../../wire/kx/codec.ts";
import type { Match, MatchMac } from "../../wire/kx/messages.ts";
import { oneTimeTag } from "../relay/one-time-mac.ts";
import { padOfBoth, padOfProposal } from "./batch-pads.ts";

const half = 16;
const noTag = Buffer.alloc(half);

/** @returns the key of the answer's tag, 32 bytes, which the caller wipes; undefined: the pad is of version 1 */
export function answerKey(pad: Buffer): Buffer | undefined {
  if (pad.length !== padOfBoth) return undefined;
  const key = Buffer.from(new ArrayBuffer(padOfProposal));
  pad.copy(key, 0, 0, half);
  pad.copy(key, half, padOfProposal);
  return key;
}

/** The answer under its tag. */
export function sealMatch({ number, digest }: Omit<Match, "type">, key: Buffer): MatchMac {
  const message: MatchMac = { type: "matchMac", number, digest, tag: noTag };
  return { ...message, tag: oneTimeTag(key, matchText(message)) };
}

/** Whether an answer is under this key. */
export function isSealed(message: Match | MatchMac, key: Buffer): boolean {
  if (message.type !== "matchMac") return false;
  return timingSafeEqual(oneTimeTag(key, matchText(message)), message.tag);
}
