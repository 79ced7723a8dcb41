/** The connection between two KMs of a simulated network: cut at any moment; messages of relays are lost, doubled, late, changed. */
import { decodePayload, encodePayload } from "../../../src/wire/kx/codec.ts";
import type { KxMessage } from "../../../src/wire/kx/messages.ts";
import { command } from "../../../src/wire/kx/names.ts";
import type { Relay, RelayMessage } from "../../../src/wire/kx/relay-messages.ts";
import { cutRelay, RelayJoiner } from "../../../src/wire/kx/relay-pieces.ts";
import type { Clockwork } from "../km/clockwork.ts";
import type { NetKm } from "./net-km.ts";

export interface LineWorld {
  readonly clock: Clockwork;
  readonly random: () => number;
  readonly draw: (length: number) => Buffer;
  /** How often a message of a relay is lost, doubled, held up, changed. */
  readonly harm: { lost: number; doubled: number; late: number; changed: number };
  /** What leaves a KM for another, as it is on the wire. */
  sent(from: string, to: string, message: RelayMessage): void;
  /** A message was changed on its way. @returns it, as the other end gets it */
  changed(before: Relay, after: Relay, from: string, to: string): Relay;
}

/** Bodies of simulated keys go in pieces, too. */
const cut = { piece: 48, rest: 56 };

/** One message, in as many frames as it needs. @param harm changes a frame */
function onTheWire(message: KxMessage, harm = (payload: Buffer) => payload): KxMessage {
  const joiner = new RelayJoiner(cut);
  const { pieces, last } =
    message.type === "relay" ? cutRelay(message, cut) : { pieces: [], last: message };
  const frames = [...pieces.map((bytes): KxMessage => ({ type: "relayPiece", bytes })), last];
  let heard: KxMessage | undefined;
  for (const frame of frames) {
    heard = joiner.add(decodePayload(command[frame.type], harm(encodePayload(frame))));
  }
  return heard as KxMessage;
}

export class Line {
  readonly ends: readonly [NetKm, NetKm];
  readonly #world: LineWorld;
  #connection = 0;
  #sessions = 0;
  #allowed = true;
  readonly #upIn = new Map<NetKm, number>();

  constructor(ends: readonly [NetKm, NetKm], world: LineWorld) {
    this.ends = ends;
    this.#world = world;
    this.#dial();
  }

  get sessions(): number {
    return this.#sessions;
  }

  cut(): void {
    const connection = this.#connection;
    if (connection === 0) return;
    this.#connection = 0;
    const [a, b] = this.ends;
    for (const [km, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const { life } = km;
      this.#world.clock.after(this.#world.random() * 20, () => {
        if (km.alive && km.life === life && this.#upIn.get(km) === connection) km.down(other.id);
      });
    }
  }

  allow(allowed: boolean): void {
    this.#allowed = allowed;
    if (!allowed) this.cut();
  }

  #dial(): void {
    const { clock, random } = this.#world;
    clock.after(20 + random() * 100, () => {
      const [a, b] = this.ends;
      if (this.#connection === 0 && this.#allowed && a.alive && b.alive) this.#connect();
      this.#dial();
    });
  }

  #connect(): void {
    const { clock, random, draw } = this.#world;
    const connection = ++this.#sessions;
    this.#connection = connection;
    const tagKey = draw(16);
    // Now and then one end is older.
    const version = random() < 0.8 ? 2 : 1;
    const [a, b] = this.ends;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const { life: fromLife } = from;
      const { life: toLife } = to;
      let arrives = clock.now;
      const carry = (message: KxMessage, later: number) => {
        const at = Math.max(arrives, clock.now + random() * 2);
        if (later === 0) arrives = at;
        clock.after(at - clock.now + later, () => {
          if (to.alive && to.life === toLife && this.#connection === connection) {
            to.link(from.id)?.core.heard(message);
          }
        });
      };
      const send = (message: KxMessage) => {
        if (this.#connection !== connection || from.life !== fromLife) return;
        const heard = onTheWire(message);
        if (!isRelay(heard)) return carry(heard, 0);
        this.#world.sent(from.id, to.id, heard);
        for (const [one, later] of this.#harmed(heard, from.id, to.id)) carry(one, later);
      };
      this.#upIn.set(from, connection);
      from.link(to.id)?.core.up({ tagKey, version, send, close: () => this.cut() });
    }
  }

  #harmed(message: RelayMessage, from: string, to: string): [RelayMessage, number][] {
    const { harm, random } = this.#world;
    if (random() < harm.lost) return [];
    const later = () => (random() < harm.late ? random() * 800 : 0);
    const copies = random() < harm.doubled ? 2 : 1;
    return Array.from({ length: copies }, () => [
      random() < harm.changed ? this.#change(message, from, to) : message,
      later(),
    ]);
  }

  /** A bit of a RELAY anywhere; nothing if that makes another kind of message of it. */
  #change(message: RelayMessage, from: string, to: string): RelayMessage {
    if (message.type !== "relay") return message;
    const { random } = this.#world;
    const { pieces } = cutRelay(message, cut);
    const which = Math.floor(random() * (pieces.length + 1));
    let frame = 0;
    try {
      const changed = onTheWire(message, (bytes) => {
        if (frame++ !== which) return bytes;
        const at = Math.floor(random() * bytes.length);
        bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
        return bytes;
      }) as Relay;
      return this.#world.changed(message, changed, from, to);
    } catch {
      return message;
    }
  }
}

function isRelay(message: KxMessage): message is RelayMessage {
  return message.type === "relay" || message.type === "relayed" || message.type === "relayVoid";
}
