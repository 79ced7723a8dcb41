/** The key managers of a network: what they told last, and what that comes to. */

import type { RelayPairStatus } from "../../../src/km/model/relay-status.ts";
import type { KmStatus, LinkStatus } from "../../../src/km/model/status.ts";
import type { FibreEnd, NetworkRig } from "../../../test/rig/network-rig.ts";
import type { KmReport } from "../kms.ts";
import { Looking } from "../looking.ts";

/** What was relayed between two places: the report of a run. */
export interface RelayReport {
  readonly ends: readonly [string, string];
  /** Relays that brought keys, and attempts that failed. */
  readonly relays: number;
  readonly failed: number;
  /** Bits that both ends have by them, and bits of KMA-key of all fibres that they cost. */
  readonly bits: number;
  readonly pad_bits: number;
  /** Bits that are the same at both ends, compared; and what of it applications can have, of both owners. */
  readonly matched_bits: number;
  readonly stock: number;
}

export class NetworkKms {
  readonly #rig: NetworkRig;
  readonly #last = new Map<string, KmStatus>();
  readonly #running = new Set<string>();
  readonly #far: readonly [string, string];
  readonly #looking: Looking;

  /** @param far the two whose applications share keys: the first relays */
  constructor(rig: NetworkRig, far: readonly [string, string]) {
    this.#rig = rig;
    this.#far = far;
    this.#looking = new Looking(200, () => this.look());
  }

  /** Asks all of them. */
  async look(): Promise<void> {
    await Promise.all(
      this.#rig.places.map(async ({ name, km }) => {
        const status = await km.status().catch(() => undefined);
        if (status === undefined) this.#running.delete(name);
        else {
          this.#running.add(name);
          this.#last.set(name, status);
        }
      }),
    );
  }

  /** Asks until all that can be is matched, for a moment: one end is told a little after the other. */
  async agree(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      await this.look();
      if (this.#rig.fibres.every(({ ends: [one, other] }) => this.#agrees(one, other))) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  #agrees(one: FibreEnd, other: FibreEnd): boolean {
    const [a, b] = [this.linkOf(one), this.linkOf(other)];
    const waits = Math.min(a?.waiting_keys ?? 0, b?.waiting_keys ?? 0);
    return a?.matched_bits === b?.matched_bits && waits === 0;
  }

  stop(): void {
    this.#looking.stop();
  }

  isRunning(place: string): boolean {
    return this.#running.has(place);
  }

  link(place: string, to: string): LinkStatus | undefined {
    return this.#last.get(place)?.links.find(({ name }) => name === to);
  }

  linkOf({ place, link }: FibreEnd): LinkStatus | undefined {
    return this.link(place.name, link);
  }

  /** QKD-keys that both ends of a fibre have compared. */
  comparedOf(ends: readonly FibreEnd[]): number {
    return Math.min(...ends.map((end) => this.linkOf(end)?.compared_keys ?? 0));
  }

  /** The same of the fibre that has the least. */
  get compared(): number {
    return Math.min(...this.#rig.fibres.map(({ ends }) => this.comparedOf(ends)));
  }

  get differing(): number {
    const all = this.#rig.fibres.flatMap(({ ends }) => ends.map((end) => this.linkOf(end)));
    return Math.max(0, ...all.map((link) => link?.differing_keys ?? 0));
  }

  /** The link between the two that share no fibre, as the one that relays has it. */
  get far(): LinkStatus | undefined {
    return this.link(...this.#far);
  }

  get farPair(): RelayPairStatus | undefined {
    const [own, other] = this.#far;
    return this.#last.get(own)?.relay?.pairs.find(({ link }) => link === other);
  }

  /** Applications everywhere can have keys, also those that were relayed. */
  get ready(): boolean {
    const [one, other] = this.#far;
    const ends = this.#rig.fibres.flatMap((fibre) => fibre.ends);
    const links = [
      ...ends.map((end) => this.linkOf(end)),
      this.link(one, other),
      this.link(other, one),
    ];
    return links.every((link) => link?.session === "ready" && link.stock_bits > 0);
  }

  /** All that modules let go of is matched at both ends, and nothing waits. */
  get settled(): boolean {
    return this.#rig.fibres.every(({ ends }) => {
      const [one, other] = ends.map((end) => this.linkOf(end));
      if (one === undefined || other === undefined) return false;
      const waits = one.waiting_keys + other.waiting_keys > 0;
      return (
        !waits && one.matched_bits === other.matched_bits && ends.every((e) => this.#hasAll(e))
      );
    });
  }

  /** What was released is with the KM: but for less than a byte a key, all of it was matched, or differed. */
  #hasAll(of: FibreEnd): boolean {
    let bits = 0;
    for (const { facts, released } of of.end.module.history.values()) {
      if (released) bits += facts.bits;
    }
    const { received, matched_bits, aborted } = this.report(of);
    return aborted > 0 || matched_bits + 8 * received >= bits;
  }

  /** The manager was told of every key that the KMs have. */
  get told(): boolean {
    const ends = this.#rig.fibres.flatMap((fibre) => fibre.ends);
    return ends.every((end) => end.counters.confirmed >= this.report(end).received);
  }

  report(of: FibreEnd): KmReport {
    const link = this.linkOf(of);
    const modules = this.#last.get(of.place.name)?.modules ?? [];
    return {
      received: modules.find((one) => one.link === of.link)?.received_keys ?? 0,
      matched_bits: link?.matched_bits ?? 0,
      aborted: (link?.differing_keys ?? 0) + (link?.expired_keys ?? 0),
      stock: (link?.stock_bits ?? 0) + (link?.peer_stock_bits ?? 0),
    };
  }

  get relayed(): RelayReport {
    const { far, farPair: pair } = this;
    const sum = (of: (one: RelayPairStatus["methods"][number]) => number) =>
      (pair?.methods ?? []).reduce((all, one) => all + of(one), 0);
    return {
      ends: this.#far,
      relays: sum(({ relays }) => relays),
      failed: pair?.failed ?? 0,
      bits: sum(({ bits }) => bits),
      pad_bits: sum(({ pad_bits }) => pad_bits),
      matched_bits: far?.matched_bits ?? 0,
      stock: (far?.stock_bits ?? 0) + (far?.peer_stock_bits ?? 0),
    };
  }
}
