/** Lives of two key managers, one after the other, each from its own seed. */
import { kmStory } from "../sim/km/story.ts";

export interface LivesResult {
  /** Seed of the first life in which something was that should never be, and what. */
  readonly broken: { readonly seed: number; readonly words: readonly string[] } | undefined;
  readonly figures: Readonly<Record<string, number>>;
}

/** @param keys QKD-keys of each life */
export function kmLives(lives: number, keys: number, seed: number): LivesResult {
  const total: Record<string, number> = {};
  for (let i = 0; i < lives; i++) {
    const { broken, counts } = kmStory(seed + i, keys);
    for (const [what, count] of Object.entries(counts)) total[what] = (total[what] ?? 0) + count;
    if (broken.length > 0) return { broken: { seed: seed + i, words: broken }, figures: total };
  }
  const { crash = 0, restores = 0, masters = 0, slaves = 0 } = total;
  const sent = Object.entries(total).filter(([what]) => what.startsWith("sent "));
  const messages = sent.reduce((sum, [, count]) => sum + count, 0);
  const figures = {
    lives,
    keys: lives * keys,
    crashes: crash,
    restores,
    masters,
    slaves,
    messages,
  };
  return { broken: undefined, figures };
}
