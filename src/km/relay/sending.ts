/** One message of a relay with its pad: lent, used for this message alone, wiped. Pure. */
import { wipeMemory } from "../../port/key.ts";
import { relayText } from "../../wire/kx/codec.ts";
import type { Relay, RelayFailure } from "../../wire/kx/relay-messages.ts";
import { isTag, macBytes, oneTimeTag } from "./one-time-mac.ts";
import { type Pad, type RelayLink, type RelayWorld, useOfRelay } from "./ports.ts";
import { padBytes, tagKey } from "./scheme.ts";

const noTag = Buffer.alloc(macBytes);

/** A message without what its pad makes of it. */
export type Unsent = Omit<Relay, "type" | "pad" | "body" | "tag">;

/** Lends the pad of a message, of which no more is known yet. @param done once */
export function lendPad(
  link: RelayLink | undefined,
  { relay, scheme, step, length }: Pick<Unsent, "relay" | "scheme" | "step" | "length">,
  deadline: number,
  done: (pad: Pad | RelayFailure) => void,
): void {
  if (link === undefined) return done("route");
  if (!link.ready) return done("away");
  if (length > link.longest) return done("long");
  link.lend(padBytes(scheme, step, length), useOfRelay(relay), deadline, done);
}

/**
 * Makes a message of its pad and sends it.
 * @param bodyOf of the pad: both are wiped when this returns @returns why it is not on its way
 */
export function sendUnder(
  { now }: Pick<RelayWorld, "now">,
  link: RelayLink,
  unsent: Unsent,
  deadline: number,
  pad: Pad,
  bodyOf: (pad: Buffer) => Buffer | undefined,
): RelayFailure | undefined {
  const body = now() < deadline ? bodyOf(pad.bytes) : undefined;
  const isReady = link.ready;
  if (body !== undefined && isReady) {
    const message: Relay = {
      type: "relay",
      ...unsent,
      pad: pad.id,
      body,
      tag: noTag,
    };
    link.send({ ...message, tag: oneTimeTag(tagKey(pad.bytes), ...relayText(message)) });
  }
  // The message has left as bytes of its own.
  if (body !== undefined) wipeMemory(body);
  wipeMemory(pad.bytes);
  if (body !== undefined && isReady) return undefined;
  // Its pad is never used: the other end need not wait for it.
  if (isReady) link.send({ type: "relayVoid", relay: unsent.relay });
  return body === undefined ? "late" : "away";
}

/**
 * Lends a pad, makes the message of it and sends it.
 * @param bodyOf of the pad: both are wiped after it; it is not called if there is none
 * @param done when it is on its way, or why it is not
 */
export function sendRelay(
  world: Pick<RelayWorld, "now">,
  link: RelayLink | undefined,
  unsent: Unsent,
  deadline: number,
  bodyOf: (pad: Buffer) => Buffer | undefined,
  done: (failure: RelayFailure | undefined) => void,
): void {
  lendPad(link, unsent, deadline, (pad) => {
    if (typeof pad === "string" || link === undefined) return done(pad as RelayFailure);
    done(sendUnder(world, link, unsent, deadline, pad, bodyOf));
  });
}

/**
 * Claims the pad of a message that came, and checks its tag.
 * @param done the pad, which the caller wipes; `pad`: it is bound for no such message; `tag`: the message was changed
 */
export function openRelay(
  link: RelayLink,
  message: Relay,
  done: (pad: Buffer | "pad" | "tag") => void,
): void {
  const { relay, scheme, step, length } = message;
  link.claim(message.pad, useOfRelay(relay), (pad) => {
    if (pad === undefined) return done("pad");
    const isWhole = pad.length === padBytes(scheme, step, length);
    if (isWhole && isTag(tagKey(pad), message.tag, ...relayText(message))) return done(pad);
    wipeMemory(pad);
    done("tag");
  });
}
