/**
 * Messages of relays of which one byte was changed on a hop: each must be found at its end, before the key is kept or goes
 * on. All schemes and steps, at the KM that hears them; of what it wants of its links only pads are there, and whatever a
 * message names, it is given the pad of the message that was changed.
 */
import { randomBytes } from "node:crypto";
import { RelayNode } from "../../src/km/relay/node.ts";
import { oneTimeTag } from "../../src/km/relay/one-time-mac.ts";
import { destinationOf, type RelayLink, type RelayWorld } from "../../src/km/relay/ports.ts";
import { isBare, padBytes, sealHop, tagKey } from "../../src/km/relay/scheme.ts";
import { decodePayload, encodePayload, relayText } from "../../src/wire/kx/codec.ts";
import { command } from "../../src/wire/kx/names.ts";
import type {
  Relay,
  RelayMessage,
  RelayScheme,
  RelayStep,
} from "../../src/wire/kx/relay-messages.ts";
import { cutRelay, RelayJoiner } from "../../src/wire/kx/relay-pieces.ts";
import { settle } from "../clock.ts";
import { faultOf } from "../fault-of.ts";
import { random } from "../random.ts";

type Part = readonly [scheme: RelayScheme, step: RelayStep, at: number];

interface Kind {
  readonly part: Part;
  readonly length: number;
  /** Other parts of the same relay, without which nothing is kept or goes on. */
  readonly beside: readonly Part[];
}

/** Bytes of a relayed key; and of one that goes in three frames. */
const usual = 48;
const long = 120_000;
const path = ["a", "b", "c"] as const;
const collector = "x";

const kinds: readonly Kind[] = [
  ...(["case-1", "case-2", "aes"] as const).flatMap((scheme) =>
    [0, 1].map((at): Kind => ({ part: [scheme, "hop", at], length: usual, beside: [] })),
  ),
  { part: ["destination", "hop", 0], length: usual, beside: [] },
  { part: ["destination", "hop", 1], length: usual, beside: [["destination", "xor", 1]] },
  { part: ["destination", "xor", 1], length: usual, beside: [["destination", "hop", 1]] },
  { part: ["centralized", "hop", 0], length: usual, beside: [] },
  { part: ["centralized", "hop", 1], length: usual, beside: [["centralized", "sum", 0]] },
  { part: ["centralized", "sum", 0], length: usual, beside: [["centralized", "hop", 1]] },
  { part: ["centralized", "xor", 1], length: usual, beside: [] },
];
const longKinds: readonly Kind[] = [0, 1].map(
  (at): Kind => ({ part: ["case-2", "hop", at], length: long, beside: [] }),
);
/** One try of so many is of a long one. */
const longEvery = 100;
/** After so many tries one message of the kind that was not changed must go on. */
const controlEvery = 200;

/** KM IDs: who sends it, and who hears it. */
function endsOf([scheme, step, at]: Part): readonly [from: string, me: string] {
  if (step === "hop") return [path[at] as string, path[at + 1] as string];
  if (step === "sum") return [collector, "c"];
  return [path[at] as string, scheme === "centralized" ? collector : "c"];
}

const nameOf = ({ part, length }: Kind) => `${part.join(" ")}${length === long ? " long" : ""}`;

class Bench {
  readonly #kind: Kind;
  /** By the only byte of the pad's ID; the first is that of the message itself. */
  readonly #pads: readonly Buffer[];
  readonly #links = new Map<string, RelayLink>();
  readonly #node: RelayNode;
  #went = 0;

  constructor(kind: Kind) {
    this.#kind = kind;
    const parts = [kind.part, ...kind.beside];
    this.#pads = parts.map(([scheme, step]) => randomBytes(padBytes(scheme, step, kind.length)));
    for (const peer of [...path, collector]) this.#links.set(peer, this.#linkTo(peer));
    const world: RelayWorld = {
      me: endsOf(kind.part)[1],
      link: (peer) => this.#links.get(peer),
      now: () => 0,
      wall: () => 0,
      random: randomBytes,
      keyBits: (_length, done) => done(undefined),
      mayPass: () => true,
      mayKeep: () => true,
      tell: () => {},
      odd: () => {},
    };
    this.#node = new RelayNode(world, 1_000);
  }

  #linkTo(peer: string): RelayLink {
    return {
      peer,
      ready: true,
      longest: 1_048_576,
      lend: (bytes, _use, _deadline, done) =>
        done({ id: Buffer.alloc(16, 99), bytes: Buffer.alloc(bytes, 8) }),
      claim: (id, _use, done) => {
        const own = this.#pads[0] as Buffer;
        const isNamed = id.every((byte) => byte === id[0]);
        done(Buffer.from((isNamed ? this.#pads[id[0] as number] : undefined) ?? own));
      },
      refuse: () => {},
      release: () => {},
      send: (message: RelayMessage) => {
        if (message.type === "relay") this.#went++;
      },
      keep: (_key, done) => {
        this.#went++;
        done(true);
      },
      drop: () => {},
    };
  }

  #message(place: number, relay: Buffer): Relay {
    const { length } = this.#kind;
    const [scheme, step, at] =
      place === 0 ? this.#kind.part : (this.#kind.beside[place - 1] as Part);
    const pad = this.#pads[place] as Buffer;
    const isEmpty = step === "hop" && isBare({ scheme, at });
    const bits = randomBytes(length);
    const message: Relay = {
      type: "relay",
      relay,
      pad: Buffer.alloc(16, place),
      scheme,
      step,
      path,
      at,
      time: 0,
      length,
      body: isEmpty ? Buffer.alloc(0) : step === "hop" ? sealHop(scheme, bits, pad) : bits,
      tag: Buffer.alloc(16),
      ...(scheme === "centralized" && { collector }),
    };
    return { ...message, tag: oneTimeTag(tagKey(pad), ...relayText(message)) };
  }

  #hear(from: string, message: Relay): void {
    this.#node.heardRelay(this.#links.get(from) as RelayLink, message);
  }

  /** The other parts of its relay are there, and it was not changed. @returns whether it went on, alone */
  goesOn(): boolean {
    const relay = randomBytes(16);
    const good = this.#beside(relay);
    this.#went = 0;
    this.#hear(endsOf(this.#kind.part)[0], good);
    const went = this.#went > 0;
    for (const peer of path) {
      const at = destinationOf(good);
      this.#node.heardRelayed(this.#links.get(peer) as RelayLink, { type: "relayed", relay, at });
    }
    return went && this.#node.underWay === 0;
  }

  #beside(relay: Buffer): Relay {
    for (const [i, part] of this.#kind.beside.entries()) {
      this.#hear(endsOf(part)[0], this.#message(i + 1, relay));
    }
    return this.#message(0, relay);
  }

  /** @returns whether a byte that was changed let it go on */
  passes(draw: () => number): boolean {
    const relay = randomBytes(16);
    const { pieces, last } = cutRelay(this.#beside(relay));
    const frames = [...pieces.map((piece) => Buffer.from(piece)), encodePayload(last)];
    const bytes = frames.reduce((sum, { length }) => sum + length, 0);
    let place = Math.floor(draw() * bytes);
    for (const frame of frames) {
      if (place >= 0 && place < frame.length) {
        frame[place] = (frame[place] as number) ^ (1 + Math.floor(draw() * 255));
      }
      place -= frame.length;
    }
    this.#went = 0;
    const fault = faultOf(() => {
      const joiner = new RelayJoiner();
      for (const piece of frames.slice(0, -1)) joiner.add({ type: "relayPiece", bytes: piece });
      const message = decodePayload(command.relay, frames.at(-1) as Buffer);
      this.#hear(endsOf(this.#kind.part)[0], joiner.add(message) as Relay);
    });
    if (fault !== undefined && fault.code !== "kx.message") throw fault;
    const went = this.#went > 0;
    // A message that was dropped for what it says has not ended the relay whose other parts wait.
    for (const link of this.#links.values()) this.#node.heardVoid(link, relay);
    for (const peer of [...path, collector]) this.#node.down(peer);
    return went;
  }
}

export interface ChangedRelays {
  readonly tries: number;
  /** Kinds of messages. */
  readonly kinds: number;
  /** Messages that were not changed, and went on. */
  readonly good: number;
  /** What did not hold. */
  readonly wrong: readonly string[];
}

/** @param tries messages with a changed byte, over all kinds */
export async function changedRelays(tries: number, seed: number): Promise<ChangedRelays> {
  const draw = random(seed);
  const all = [kinds, longKinds].map((some) =>
    some.map((kind) => [kind, new Bench(kind)] as const),
  );
  const [short = [], longer = []] = all;
  const wrong: string[] = [];
  let good = 0;
  for (let n = 0; n < tries && wrong.length < 10; n++) {
    if (n % 1_000 === 0) await settle();
    const from = n % longEvery === 0 ? longer : short;
    const [kind, bench] = from[Math.floor(draw() * from.length)] as readonly [Kind, Bench];
    if (bench.passes(draw)) wrong.push(`try ${n}: ${nameOf(kind)} went on`);
    if (n % controlEvery !== 0) continue;
    for (const [one, its] of all.flat()) {
      if (its.goesOn()) good++;
      else wrong.push(`try ${n}: ${nameOf(one)} that was not changed did not go on`);
    }
  }
  return { tries, kinds: kinds.length + longKinds.length, good, wrong };
}
