/** Keys that are brought while key managers and the controller are killed: each to both, or it counts as delivered nowhere. */
import test from "ava";
import { killProactive } from "../campaign/proactive-kills.ts";
import { rounds } from "../campaign-scale.ts";

test.serial(
  "a kill in the middle of a delivery gives no key to a third, twice, or to the source alone",
  async (t) => {
    t.timeout(600_000);
    const count = Math.max(6, rounds(60));
    const { broken, figures } = await killProactive(count, Number(process.env.QKD_SEED ?? 7));
    t.log(JSON.stringify(figures));
    t.deepEqual(broken, []);
    t.true(figures.given > 0);
    t.is(figures.kills, count);
  },
);
