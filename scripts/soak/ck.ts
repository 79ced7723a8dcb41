/** Key managers and controllers that are not to be trusted, at length. */
import { fuzzDoor } from "../../test/campaign/ck-door-fuzz.ts";
import { fuzzCk } from "../../test/campaign/ck-fuzz.ts";
import { type Campaign, times } from "./campaign.ts";

export const ck: Campaign = {
  name: "ck",
  parts: [
    {
      title: "3·10⁶ drawn messages at both bindings of Ck",
      async run(scale, seed) {
        const { wrong, ...figures } = await fuzzCk(times(3_000_000, scale), seed);
        for (const what of wrong) process.stderr.write(`${what}\n`);
        const held = wrong.size === 0 && figures.growth < 100_000_000;
        return { held, figures: { ...figures, wrong: wrong.size } };
      },
    },
    {
      title: "10⁶ hostile inputs of a key manager at the door of a controller, over TLS",
      async run(scale, seed) {
        const { disturbed, answered, growth, ...more } = await fuzzDoor(times(40_000, scale), seed);
        const held = disturbed === 0 && answered > 0 && growth < 100_000_000;
        return { held, figures: { ...more, answered, disturbed, growth } };
      },
    },
  ],
};
