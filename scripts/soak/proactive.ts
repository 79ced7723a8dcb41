/** Keys that are brought, while who brings them is killed, at length. */
import { killProactive } from "../../test/campaign/proactive-kills.ts";
import { type Campaign, times } from "./campaign.ts";

export const proactive: Campaign = {
  name: "proactive",
  parts: [
    {
      title: "key managers or the controller killed 1,000 times while keys are brought",
      async run(scale, seed) {
        const { broken, figures } = await killProactive(times(1_000, scale), seed);
        for (const what of broken) process.stderr.write(`${what}\n`);
        return { held: broken.length === 0, figures };
      },
    },
  ],
};
