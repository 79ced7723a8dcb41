import test from "ava";
import { killEtsi014 } from "../faults/etsi014-kills.ts";

const seed = 20_261_128;

test.serial(
  "nodes, KMEs and the cable between the drivers are killed: three ledgers agree",
  async (t) => {
    t.timeout(1_200_000);
    const { kills, keys, lost, broken } = await killEtsi014(20, seed);
    t.log(`${kills} kills, ${keys} keys, ${lost} lost between a KME and a disk, seed ${seed}`);
    t.deepEqual(broken.slice(0, 10), []);
    t.true(keys > 0);
  },
);
