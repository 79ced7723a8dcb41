/** The two key managers of the show: what they told last, and what that comes to. */
import type { KmStatus, LinkStatus } from "../../src/km/model/status.ts";
import { type EndName, endNames, type Rig } from "../../test/rig/rig.ts";
import { Looking } from "./looking.ts";

/** What a key manager tells, in the report of a run. */
export interface KmReport {
  /** QKD-keys that came from its node. */
  readonly received: number;
  /** Bits that are the same at both ends, compared. */
  readonly matched_bits: number;
  /** QKD-keys that differed at the two ends, or found no match. */
  readonly aborted: number;
  /** Bits of KMA-key that applications can have, of both owners. */
  readonly stock: number;
}

export class ShownKms {
  readonly #rig: Rig;
  readonly #last = new Map<EndName, KmStatus>();
  readonly #running = new Map<EndName, boolean>();
  readonly #looking: Looking;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.#looking = new Looking(200, () => this.look());
  }

  /** Asks both. */
  async look(): Promise<void> {
    for (const end of endNames) {
      const status = await this.#rig.kms?.[end].status().catch(() => undefined);
      this.#running.set(end, status !== undefined);
      if (status !== undefined) this.#last.set(end, status);
    }
  }

  /** Asks both until all that can be is matched, for a moment: one end is told a little after the other. */
  async agree(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      await this.look();
      const [alice, bob] = endNames.map((end) => this.link(end));
      const waits = Math.min(alice?.waiting_keys ?? 0, bob?.waiting_keys ?? 0);
      if (alice?.matched_bits === bob?.matched_bits && waits === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  stop(): void {
    this.#looking.stop();
  }

  /** What it told last. */
  of(end: EndName): KmStatus | undefined {
    return this.#last.get(end);
  }

  isRunning(end: EndName): boolean {
    return this.#running.get(end) === true;
  }

  link(end: EndName): LinkStatus | undefined {
    return this.of(end)?.links[0];
  }

  /** QKD-keys that both have compared. */
  get compared(): number {
    return Math.min(...endNames.map((end) => this.link(end)?.compared_keys ?? 0));
  }

  /** Both ends have keys that their applications may ask for. */
  get ready(): boolean {
    return endNames.every((end) => {
      const link = this.link(end);
      return link?.session === "ready" && link.stock_bits > 0 && this.isRunning(end);
    });
  }

  get differing(): number {
    return Math.max(...endNames.map((end) => this.link(end)?.differing_keys ?? 0));
  }

  /** All that modules let go of is matched at both ends, and nothing waits. */
  get settled(): boolean {
    return this.#quiet && endNames.every((end) => this.#hasAll(end));
  }

  /** What was released is with the KM: but for less than a byte a key, all of it was matched, or differed. */
  #hasAll(end: EndName): boolean {
    let bits = 0;
    for (const { facts, released } of this.#rig.pair[end].module.history.values()) {
      if (released) bits += facts.bits;
    }
    const { received, matched_bits, aborted } = this.report(end);
    return aborted > 0 || matched_bits + 8 * received >= bits;
  }

  /** The manager was told of every key that the KMs have. */
  get told(): boolean {
    return endNames.every((end) => {
      const { confirmed } = this.#rig.view.counters(this.#rig[end].nodeId);
      return confirmed >= this.report(end).received;
    });
  }

  /** Nothing waits for its match, and both have matched the same. */
  get #quiet(): boolean {
    const [alice, bob] = endNames.map((end) => this.link(end));
    if (alice === undefined || bob === undefined) return false;
    const waits = alice.waiting_keys + bob.waiting_keys;
    const open = (link: LinkStatus) => link.stock_bits + link.peer_stock_bits;
    return waits === 0 && alice.matched_bits === bob.matched_bits && open(alice) === open(bob);
  }

  report(end: EndName): KmReport {
    const status = this.of(end);
    const link = this.link(end);
    return {
      received: status?.modules[0]?.received_keys ?? 0,
      matched_bits: link?.matched_bits ?? 0,
      aborted: (link?.differing_keys ?? 0) + (link?.expired_keys ?? 0),
      stock: (link?.stock_bits ?? 0) + (link?.peer_stock_bits ?? 0),
    };
  }
}
