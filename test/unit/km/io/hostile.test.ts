/** Short seeds of what `npm run soak -- --only km-hostile` does at length. */
import test from "ava";
import { kmFileFuzz } from "../../../campaign/km-files.ts";
import { kmHttpFuzz } from "../../../campaign/km-http.ts";
import { rounds } from "../../../campaign-scale.ts";

test.serial(
  "whatever a node sends over HTTPS is answered or cut, and good keys are taken after it",
  async (t) => {
    t.timeout(300_000);
    const { inputs, answered, refused, growth, broken } = await kmHttpFuzz(rounds(600), 1);
    t.deepEqual(broken, []);
    t.is(refused, 0);
    t.true(answered > inputs / 2, `${answered} of ${inputs}`);
    t.true(growth < 100_000_000, `${growth} bytes`);
  },
);

test.serial(
  "files of a store from elsewhere are a fault that names itself, or damage that is told; no used key comes back",
  async (t) => {
    t.timeout(300_000);
    const { faults, opened, growth, broken } = await kmFileFuzz(rounds(120), 3);
    t.deepEqual(broken, []);
    t.true(opened > 0 && Object.keys(faults).length > 0);
    t.true(growth < 100_000_000, `${growth} bytes`);
  },
);
