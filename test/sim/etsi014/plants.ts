/** Mistakes that the story must find: what an end's disk or its KME would do if the code were wrong. */
import type { BatchFacts } from "../../../drivers/etsi014/batch.ts";
import type { BatchSpool } from "../../../src/port/batch-spool.ts";

export type Side = "leader" | "follower";

function on(side: Side, change: (spool: BatchSpool) => Partial<BatchSpool>) {
  return (at: Side, spool: BatchSpool): BatchSpool => {
    if (at !== side) return spool;
    const changed = change(spool);
    return {
      list: changed.list ?? (() => spool.list()),
      get room() {
        return spool.room;
      },
      put: changed.put ?? ((first, facts, key) => spool.put(first, facts, key)),
      get: changed.get ?? ((first) => spool.get(first)),
      remove: changed.remove ?? ((first) => spool.remove(first)),
      zeroize: () => spool.zeroize(),
    };
  };
}

/** What is written is said to be safe before it is. */
const hasty = (state: BatchFacts["state"]) => (spool: BatchSpool) => ({
  put: (first: Parameters<BatchSpool["put"]>[0], facts: unknown, key: Uint8Array) => {
    const copy = Buffer.from(key);
    const done = spool.put(first, facts, copy);
    if ((facts as BatchFacts).state !== state) return done;
    done.catch(() => {});
    return Promise.resolve();
  },
});

/** Some of what is written is changed first. */
const changes = (change: (facts: BatchFacts) => BatchFacts | undefined) => (spool: BatchSpool) => ({
  put: (first: Parameters<BatchSpool["put"]>[0], facts: unknown, key: Uint8Array) => {
    const changed = change(facts as BatchFacts);
    return changed === undefined ? spool.remove(first) : spool.put(first, changed, key);
  },
});

export const plants = {
  "IDs are told before the keys are on disk": on("leader", hasty("told")),
  "the follower answers before the keys are on disk": on("follower", hasty("both")),
  "the follower forgets what it answered": on(
    "follower",
    changes((facts) => (facts.state === "spent" ? undefined : facts)),
  ),
  "the leader takes for told what it has not": on(
    "leader",
    changes((facts) => (facts.state === "told" ? { ...facts, state: "both" } : facts)),
  ),
  "lost keys are kept at the leader": on("leader", (spool) => ({
    put: async (first, facts, key) => {
      const { state, lost } = facts as BatchFacts;
      if (state !== "both" || lost.length === 0) return spool.put(first, facts, key);
      const before = await spool.get(first);
      if (before !== undefined)
        await spool.put(first, { ...(before.facts as object), state }, before.key);
    },
  })),
  "a sync is left out": (_at: Side, spool: BatchSpool) => spool,
} as const;

export type Plant = keyof typeof plants;
