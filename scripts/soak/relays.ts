/** Relays on whose way a byte is changed, at length. */
import { changedRelays } from "../../test/campaign/changed-relays.ts";
import { type Campaign, times } from "./campaign.ts";

export const relays: Campaign = {
  name: "relays",
  parts: [
    {
      title: "10⁶ relay messages of all kinds with a changed byte",
      async run(scale, seed) {
        const { wrong, ...figures } = await changedRelays(times(1_000_000, scale), seed);
        for (const what of wrong) process.stderr.write(`${what}\n`);
        return { held: wrong.length === 0, figures };
      },
    },
  ],
};
