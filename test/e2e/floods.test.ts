import test from "ava";
import { doors, flood } from "../campaign/floods.ts";
import { rounds } from "../campaign-scale.ts";
import { each } from "../whole-run.ts";

const hostile = rounds(10_000);

for (const door of each(doors)) {
  test.serial(
    `hostile requests by the thousand (${door}): all others are served, the log stays short`,
    async (t) => {
      t.timeout(180_000);
      const result = await flood(door, { rounds: hostile, longest: 120, usual: 2 });
      t.log(JSON.stringify(result));
      t.true(result.sent >= hostile);
      t.is(result.failed, 0);
      t.true(result.lines < 150, "lines of the log");
      // What would keep each request has far more; the campaign of `npm run soak` holds a build to 16 MB, and this
      // one compiles as it goes, the longer on a busy machine.
      t.true(result.own_peak_mb < 160, "memory");
    },
  );
}
