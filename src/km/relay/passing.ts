/**
 * A relay at a transit KM: what comes over one hop goes on over the next, or, in the schemes of Figures 7 and 8, as an
 * XOR of both hops' keys to who makes a key of all of them. Nothing of it is ever on a disk of this KM: what it has
 * in memory is wiped when the message is sent, and a restart ends the relay. Pure.
 */
import { freeMemory, wipeMemory } from "../../port/key.ts";
import type { Relay, RelayFailure } from "../../wire/kx/relay-messages.ts";
import type { Pad, RelayLink, RelayWorld } from "./ports.ts";
import { bodyKey, copyOf, isBare, isXored, openHop, sealHop, xor } from "./scheme.ts";
import { lendPad, openRelay, sendRelay, sendUnder, type Unsent } from "./sending.ts";

/** The key of the hop that it came over: the relayed key, or one of those that are XORed. Perhaps where the body was. */
export function keyOfHop(message: Relay, pad: Buffer): Buffer | undefined {
  if (isBare(message)) return copyOf(bodyKey(pad));
  return openHop(message.scheme, message.body, pad);
}

/**
 * Passes a hop on. The pad of the next is lent while that of the one before is claimed: neither waits for the disk's
 * word of the other.
 * @param path as it goes on: longer than that of the message, where this KM chose the next hop
 * @param done once: undefined when all of it is on its way
 */
export function passOn(
  world: RelayWorld,
  from: RelayLink,
  message: Relay,
  path: readonly string[],
  deadline: number,
  done: (failure: RelayFailure | undefined) => void,
): void {
  const next = world.link(path[message.at + 2] as string);
  const unsent = { ...unsentOf(message, "hop", message.at + 1), path };
  let key: Buffer | RelayFailure | undefined;
  let pad: Pad | RelayFailure | undefined;
  const both = () => {
    if (key === undefined || pad === undefined) return;
    if (typeof key !== "string" && typeof pad !== "string" && next !== undefined) {
      return passUnder(world, { message, unsent, next, key, pad, deadline }, done);
    }
    if (typeof key !== "string") wipeMemory(key);
    if (typeof pad !== "string") {
      wipeMemory(pad.bytes);
      next?.send({ type: "relayVoid", relay: message.relay });
    }
    done(typeof key === "string" ? key : (pad as RelayFailure));
  };
  openRelay(from, message, (opened) => {
    if (typeof opened === "string") key = opened;
    else {
      key = keyOfHop(message, opened) ?? "tag";
      wipeMemory(opened);
      if (key !== message.body) freeMemory(message.body);
    }
    both();
  });
  // Under a pad that was never lent anything can be said: it costs the next hop none of its own.
  if (typeof key === "string") return done(key);
  lendPad(next, unsent, deadline, (lent) => {
    pad = lent;
    both();
  });
}

interface Passing {
  readonly message: Relay;
  readonly unsent: Unsent;
  readonly next: RelayLink;
  readonly key: Buffer;
  readonly pad: Pad;
  readonly deadline: number;
}

function passUnder(
  world: RelayWorld,
  { message, unsent, next, key, pad, deadline }: Passing,
  done: (failure: RelayFailure | undefined) => void,
): void {
  const { scheme, path, at, collector } = message;
  if (!isXored(scheme)) {
    const seal = (bytes: Buffer) => sealHop(scheme, key, bytes, key);
    const failure = sendUnder(world, next, unsent, deadline, pad, seal);
    wipeMemory(key);
    return done(failure);
  }
  let sum: Buffer = Buffer.alloc(0);
  const bare = (bytes: Buffer) => {
    sum = xor(key, bodyKey(bytes));
    return Buffer.alloc(0);
  };
  const failure = sendUnder(world, next, unsent, deadline, pad, bare);
  wipeMemory(key);
  const over = (why: RelayFailure | undefined) => {
    wipeMemory(sum);
    done(why);
  };
  if (failure !== undefined) return over(failure);
  const to = world.link(collector ?? (path.at(-1) as string));
  sendRelay(world, to, unsentOf(message, "xor", at + 1), deadline, () => sum, over);
}

/** The same relay, as this KM sends it on: with the time of its source, by which both ends know its key. */
export function unsentOf(
  { relay, scheme, path, collector, time, length }: Relay,
  step: Relay["step"],
  at: number,
): Unsent {
  return {
    relay,
    scheme,
    step,
    path,
    at,
    time,
    length,
    ...(collector !== undefined && { collector }),
  };
}
