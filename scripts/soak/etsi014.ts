/** Applications that are not to be trusted, at length. */
import { doorTimings, mostZ } from "../../test/campaign/door-timing.ts";
import { fuzzEtsi014 } from "../../test/campaign/etsi014-fuzz.ts";
import { hostileApplications } from "../../test/campaign/hostile-applications.ts";
import { type Campaign, times } from "./campaign.ts";

export const etsi014: Campaign = {
  name: "etsi014",
  parts: [
    {
      title: "10⁷ drawn requests at the codec of ETSI GS QKD 014",
      run(scale, seed) {
        const { wrong, ...figures } = fuzzEtsi014(times(10_000_000, scale), seed);
        for (const what of wrong) process.stderr.write(`${what}\n`);
        const held = wrong.size === 0 && figures.growth < 50_000_000;
        return { held, figures: { ...figures, wrong: wrong.size } };
      },
    },
    {
      title:
        "20,000 rounds of who may not know whether a key exists, and looks how long the answer takes",
      async run(scale, seed) {
        const { stranger, registered, planted, told } = await doorTimings(
          times(20_000, scale),
          seed,
        );
        const held = [stranger, registered].every(({ z }) => Math.abs(z) < mostZ) && told === 0;
        const figures = { stranger_z: stranger.z, existing_us: stranger.first_us };
        const others = { missing_us: stranger.second_us, registered_z: registered.z };
        const means = {
          difference_us: stranger.difference_us,
          within_us: stranger.within_us,
          registered_difference_us: registered.difference_us,
          registered_within_us: registered.within_us,
        };
        return {
          held: held && planted.z > mostZ,
          figures: { ...figures, ...others, ...means, planted_z: planted.z },
        };
      },
    },
    {
      title: "10⁶ requests of hostile applications at two key managers",
      async run(scale, seed) {
        // One that is known for what it is has an answer a second and connection: with fewer it takes an hour.
        const result = await hostileApplications(times(1_000_000, scale), seed, 400);
        const { others, failures, lost, failed, growth_mb } = result;
        const held = others + failures + lost + failed === 0 && growth_mb <= 16;
        return { held, figures: { ...result } };
      },
    },
  ],
};
