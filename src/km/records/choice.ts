/** Which QKD-keys of the records a search is about: those of a time, or those of relays. Pure. */
import { cameIn, type Origin, type Period } from "../keys/origin.ts";
import { isRelayModule } from "../relay/modules.ts";
import { runsOf } from "./notes.ts";
import type { Facts, LifeRecord } from "./record.ts";
import { idAt } from "./story.ts";

/** QKD-keys of a record, one after the other. */
export interface Chosen {
  readonly count: number;
  /** Of each. */
  readonly bits: number;
  /** Where the bytes of the first begin among those of all keys of the record; and bytes of each. */
  readonly start: number;
  readonly length: number;
}

export interface Choice {
  /** Whether a record with these facts can have any: most are passed over by that. */
  mayHave(facts: Facts): boolean;
  of(record: LifeRecord): Iterable<Chosen>;
  /** Whether a key that waits for its match is one of them. @param id 16 bytes */
  has(id: Buffer, origin: Origin): boolean;
}

export function keysOfPeriod(period: Period): Choice {
  return {
    mayHave: (facts) => cameAnyIn(facts, period),
    *of(record) {
      for (const { count, origin, start, length } of runsOf(record)) {
        if (count > 0 && cameIn(origin, period)) yield { count, bits: origin.bits, start, length };
      }
    },
    has: (_, origin) => cameIn(origin, period),
  };
}

/**
 * A relayed key has the ID of its relay.
 * @param relays IDs in hexadecimal @param seen gets those whose key was found
 */
export function keysOfRelays(relays: ReadonlySet<string>, seen: Set<string>): Choice {
  const isOne = (id: string) => {
    const found = relays.has(id);
    if (found) seen.add(id);
    return found;
  };
  return {
    mayHave: ({ modules = [] }) => modules.some(([module]) => isRelayModule(module)),
    *of(record) {
      for (const { index, count, origin, modules, start, length } of runsOf(record)) {
        if (!isRelayModule(modules[0])) continue;
        for (let i = 0; i < count; i++) {
          if (!isOne(idAt(record.ids, index + i).toString("hex"))) continue;
          yield { count: 1, bits: origin.bits, start: start + i * length, length };
        }
      }
    },
    has: (id) => isOne(id.toString("hex")),
  };
}

/**
 * Whether keys of a record came in a period. When it was written says nothing of that: this machine's clock may have
 * been set back between, and a module's may be ahead.
 */
export function cameAnyIn({ runs = [] }: Facts, period: Period): boolean {
  return runs.some(([, bits, at, generatedAt]) => {
    return cameIn({ bits, at, ...(generatedAt !== null && { generatedAt }) }, period);
  });
}
