/**
 * What the store has of links and modules that the configuration does not have: they were taken out, or have another
 * name there. No application is given of it; under the name of before it is there again. Keys that wait for a match
 * are dropped in the time in which a link would drop them.
 */
import { type Clock, every, type Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { LinkConfig } from "../config/tables.ts";
import { cameIn, type Period, type Run } from "../keys/origin.ts";
import { LinkBuffer } from "../matching/buffer.ts";
import { relayModules } from "../relay/modules.ts";
import type { KeyStore, Loaded } from "../store/port.ts";

interface Named {
  readonly name: string;
}

interface Configured {
  readonly links: readonly Pick<LinkConfig, "name" | "match_within" | "relay">[];
  readonly modules: readonly Named[];
}

export interface LeftOverParts {
  readonly config: Configured;
  readonly loaded: Pick<Loaded, "extents" | "buffered">;
  readonly store: Pick<KeyStore, "commit">;
  readonly random: (length: number) => Buffer;
  readonly clock: Clock;
  readonly log: Log;
  /** QKD-keys were dropped, and that is durable. @param ids 16 bytes each */
  readonly dropped: (reason: "left_over" | "order", ids: Buffer, runs: readonly Run[]) => void;
}

/** How often old keys are looked for, ms. */
const lookMs = 10_000;
/** Without a link keys wait as long as they would on one that says nothing of it, ms. */
const usualWaitMs = 3_600_000;
/** Keys that are dropped in one go. */
const atOnce = 1_000;

export class LeftOver {
  /** QKD-keys of modules that are not configured. */
  readonly buffer: LinkBuffer;
  /** Stock of links that are not configured, bytes; used bytes are in it. */
  readonly stockBytes: number;
  readonly #parts: LeftOverParts;
  readonly #waitMs: number;

  /** Tells of each in the log: a name is what keys are stored under, and a new one begins with none. */
  constructor(parts: LeftOverParts) {
    this.#parts = parts;
    const { config, loaded, clock, log, random } = parts;
    const { links, modules } = config;
    this.#waitMs = links.length === 0 ? usualWaitMs : Math.max(...links.map((l) => l.match_within));
    const ofLink = Map.groupBy(loaded.extents, ({ link }) => link);
    for (const { name } of links) ofLink.delete(name);
    let stock = 0;
    for (const [link, all] of ofLink) {
      const bytes = all.reduce((sum, { length }) => sum + length, 0);
      stock += bytes;
      const facts = { link, extents: all.length, bytes };
      log.warn("extents of a link that is not configured: nobody is given of them", facts);
    }
    this.stockBytes = stock;
    const ofModule = Map.groupBy(loaded.buffered, ({ module }) => module);
    const relayed = links.flatMap(({ name, relay }) =>
      relay === undefined ? [] : relayModules(name).map(({ module }) => module),
    );
    for (const name of [...modules.map((one) => one.name), ...relayed]) ofModule.delete(name);
    this.buffer = new LinkBuffer(random(16), () => {});
    for (const [module, all] of ofModule) {
      for (const keys of all) this.buffer.add(keys, 0, clock.now());
      const keys = all.reduce((sum, { handles }) => sum + handles.length, 0);
      const dropped_in_s = this.#waitMs / 1_000;
      const facts = { module, keys, dropped_in_s };
      log.warn("keys of a module that is not configured wait: nobody compares them", facts);
    }
  }

  /** Drops what has waited too long, from now on. */
  start(): Timer | undefined {
    if (this.buffer.keys === 0) return undefined;
    const { clock, log } = this.#parts;
    return every(clock, lookMs, () => {
      const { slots } = this.buffer.olderThan(clock.now() - this.#waitMs, atOnce);
      if (slots.length === 0) return;
      void this.#drop([...slots], "left_over");
      const keys = slots.length;
      log.warn("keys of a module that is not configured waited too long: dropped", { keys });
    });
  }

  /** How many came in a period. */
  count(period: Period): number {
    return this.#of(period).length;
  }

  /** Drops what came in a period, of whichever link it was. @returns how many keys, when it is durable */
  async giveUp(period: Period): Promise<number> {
    const slots = this.#of(period);
    const parts: Promise<void>[] = [];
    for (let at = 0; at < slots.length; at += atOnce) {
      parts.push(this.#drop(slots.slice(at, at + atOnce), "order"));
    }
    await Promise.all(parts);
    return slots.length;
  }

  #of(period: Period): number[] {
    return [...this.buffer.all()].flatMap(({ slot, origin }) =>
      cameIn(origin, period) ? [slot] : [],
    );
  }

  #drop(slots: readonly number[], reason: "left_over" | "order"): Promise<void> {
    const { store, dropped } = this.#parts;
    const keys = this.buffer.batchOf(slots);
    const ids = this.buffer.idsOf(keys);
    const runs = this.buffer.runsOf(keys);
    this.buffer.take(keys, ids);
    return new Promise((resolve) => {
      store.commit({ dropped: [...keys.handles] }, () => {
        dropped(reason, ids, runs);
        resolve();
      });
    });
  }
}
