/** Stories of a custody in virtual time, one seed after the other. */
import { custodyStory } from "../sim/custody-story.ts";

export interface StoriesResult {
  readonly stories: number;
  /** In words, with the seed that repeats it. */
  readonly broken: readonly string[];
}

export async function custodyStories(count: number, first: number): Promise<StoriesResult> {
  const broken: string[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const found = await custodyStory(seed);
    broken.push(...found.broken.slice(0, 1).map((what) => `seed ${seed}: ${what}`));
  }
  return { stories: count, broken };
}
