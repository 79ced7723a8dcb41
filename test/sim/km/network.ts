/** The connection between two KMs in simulated time: ordered while it lives, late, cut at any moment. */
import { decodePayload, encodePayload } from "../../../src/wire/kx/codec.ts";
import type { KxMessage } from "../../../src/wire/kx/messages.ts";
import { command } from "../../../src/wire/kx/names.ts";
import type { Clockwork } from "./clockwork.ts";
import type { SimKm } from "./sim-km.ts";

/** As the other end decodes it. */
function onTheWire(message: KxMessage): KxMessage {
  return decodePayload(command[message.type], encodePayload(message));
}

/** Changes, doubles or drops a message; a planted mistake. */
export type Meddle = (message: KxMessage, from: SimKm) => readonly KxMessage[];

export class SimNetwork {
  readonly #clock: Clockwork;
  readonly #random: () => number;
  readonly #draw: (length: number) => Buffer;
  readonly #a: SimKm;
  readonly #b: SimKm;
  readonly #meddle: Meddle;
  /** Mean delay of a message, ms. */
  delay = 1;
  /** A planted mistake: what was sent in an earlier session is still heard. */
  stale = false;
  #connection = 0;
  #allowed = true;
  /** The connection that each end believes in. */
  readonly #upIn = new Map<SimKm, number>();
  sessions = 0;
  messages = 0;
  readonly sent: Record<string, number> = {};

  constructor(
    a: SimKm,
    b: SimKm,
    clock: Clockwork,
    random: () => number,
    draw: (length: number) => Buffer,
    meddle: Meddle,
  ) {
    this.#a = a;
    this.#b = b;
    this.#clock = clock;
    this.#random = random;
    this.#draw = draw;
    this.#meddle = meddle;
    this.#dial();
  }

  /** Both ends lose the connection, each in its own time; what is on its way arrives up to then. */
  cut(): void {
    const connection = this.#connection;
    if (connection === 0) return;
    this.#connection = 0;
    for (const km of [this.#a, this.#b]) {
      const { life } = km;
      this.#clock.after(this.#random() * 20, () => {
        if (km.alive && km.life === life && this.#upIn.get(km) === connection) km.link.down();
      });
    }
  }

  allow(allowed: boolean): void {
    this.#allowed = allowed;
    if (!allowed) this.cut();
  }

  #dial(): void {
    this.#clock.after(20 + this.#random() * 100, () => {
      if (this.#connection === 0 && this.#allowed && this.#a.alive && this.#b.alive)
        this.#connect();
      this.#dial();
    });
  }

  #connect(): void {
    const connection = ++this.sessions;
    this.#connection = connection;
    const tagKey = this.#draw(16);
    // Now and then one end is older.
    const version = this.#random() < 0.8 ? 2 : 1;
    for (const [from, to] of [
      [this.#a, this.#b],
      [this.#b, this.#a],
    ] as const) {
      let arrives = this.#clock.now;
      const fromLife = from.life;
      const toLife = to.life;
      const carry = (message: KxMessage) => {
        this.messages++;
        this.sent[message.type] = (this.sent[message.type] ?? 0) + 1;
        arrives = Math.max(arrives, this.#clock.now + this.#random() * 2 * this.delay);
        this.#clock.after(arrives - this.#clock.now, () => {
          const same = to.alive && to.life === toLife && this.#connection === connection;
          if (same || (this.stale && to.alive)) to.link.heard(message);
        });
      };
      const send = (message: KxMessage) => {
        if (this.#connection !== connection || from.life !== fromLife) return;
        for (const sent of this.#meddle(message, from)) carry(onTheWire(sent));
      };
      this.#upIn.set(from, connection);
      from.link.up({ tagKey, version, send, close: () => this.cut() });
    }
  }
}
