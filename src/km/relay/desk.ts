/** All relays of a key manager: those that it begins, passes on, collects, and takes. Pure. */
import type { RelayMessage } from "../../wire/kx/relay-messages.ts";
import { RelayNode } from "./node.ts";
import type { EndedRelays, RelayLink, RelayUnderWay, RelayWorld } from "./ports.ts";
import { type RelayEnd, type RelayOrder, RelaySource } from "./source.ts";

export class RelayDesk {
  readonly #world: RelayWorld;
  readonly #source: RelaySource;
  readonly #node: RelayNode;

  /** @param withinMs a relay that this KM began is given up after this */
  constructor(world: RelayWorld, withinMs: number) {
    this.#world = world;
    this.#source = new RelaySource(world, withinMs);
    this.#node = new RelayNode(world, withinMs);
  }

  get underWay(): number {
    return this.#source.underWay + this.#node.underWay;
  }

  begin(order: RelayOrder, done: (end: RelayEnd) => void): void {
    this.#source.begin(order, done);
  }

  /** See {@link RelaySource.reserve}. */
  reserve(...order: Parameters<RelaySource["reserve"]>): void {
    this.#source.reserve(...order);
  }

  /** See {@link RelaySource.allocate}. */
  allocate(...reserved: Parameters<RelaySource["allocate"]>): boolean {
    return this.#source.allocate(...reserved);
  }

  /** See {@link RelayNode.relayReserved}. */
  relayReserved(...reserved: Parameters<RelayNode["relayReserved"]>): void {
    this.#node.relayReserved(...reserved);
  }

  heard(from: RelayLink, message: RelayMessage): void {
    if (message.type === "relay") return this.#node.heardRelay(from, message);
    if (message.type === "relayVoid") return this.#node.heardVoid(from, message.relay);
    if (this.#source.heardRelayed(from, message) || this.#node.heardRelayed(from, message)) return;
    this.#world.odd("relayed");
  }

  /**
   * Keys of a pair are given up: its relays that began up to a time, and are not over, come to nothing.
   * @param far KM ID of the other end @param to ms since 1970 UTC
   * @param isNow the time ends now: what is under way began before, whatever the clock of its source says
   */
  giveUpTo(far: string, to: number, isNow = false): EndedRelays {
    this.#node.givenUp.refuse(far, to);
    return this.#giveUp((one) => one.far === far && (isNow || one.begun <= to));
  }

  /** Ends those of these relays that are not over. @param relays 16 bytes each, in hexadecimal */
  giveUpNamed(relays: ReadonlySet<string>): EndedRelays {
    this.#node.givenUp.refuseNamed(relays);
    return this.#giveUp(({ relay }) => relays.has(relay));
  }

  #giveUp(which: (relay: RelayUnderWay) => boolean): EndedRelays {
    const [own, others] = [this.#source.giveUp(which), this.#node.giveUp(which)];
    return { ended: own.ended + others.ended, storing: own.storing + others.storing };
  }

  /** The session with a KM ended. */
  down(peer: string): void {
    this.#source.down(peer);
    this.#node.down(peer);
  }

  tick(): void {
    this.#source.tick();
    this.#node.tick();
  }
}
