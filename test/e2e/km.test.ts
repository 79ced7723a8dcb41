import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import type { KmStatus } from "../../src/km/model/status.ts";
import { rounds } from "../campaign-scale.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { killKms } from "../faults/km-kills.ts";
import { testWhole } from "../needs.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { Rig, type RigOptions } from "../rig/rig.ts";

interface Both {
  readonly kms: KmPair;
  readonly rig: Rig;
}

/** Two modules, nodes, key managers and the link between them; closed on every way out. */
async function link(
  t: ExecutionContext,
  blocks: number,
  options: Pick<RigOptions, "mode"> = {},
): Promise<Both> {
  const rig = await Rig.start({
    source: seedSource({ seed: 7, blockBits: 8_192, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
    ...options,
  });
  t.teardown(() => rig.close());
  return { kms: rig.kms as KmPair, rig };
}

/** Waits until both tell what is wanted. */
async function both(
  { kms }: Both,
  what: string,
  holds: (status: KmStatus) => boolean,
): Promise<KmStatus[]> {
  const probe = () => Promise.all(kms.kms.map((km) => km.status()));
  return eventually(what, probe, { when: (seen) => seen.every(holds) });
}

/** All of it can be allocated, by one of the two ends. */
const matchedAll =
  (bits: number) =>
  ({ links: [link] }: KmStatus) =>
    (link?.stock_bits ?? 0) + (link?.peer_stock_bits ?? 0) === bits;

test.serial(
  "keys of a module pair are compared, and are stock at both ends, half of it each",
  async (t) => {
    const blocks = 12;
    const bits = blocks * 8_192;
    const world = await link(t, blocks);
    const [alice, bob] = await both(world, "all is matched", matchedAll(bits));
    for (const status of [alice, bob]) {
      const { modules, links, store } = status as KmStatus;
      t.is(modules[0]?.received_bits, bits);
      t.is(modules[0]?.conflicts, 0);
      t.is(links[0]?.differing_keys, 0);
      t.is(links[0]?.waiting_keys, 0);
      t.is((links[0]?.stock_bits ?? 0) + (links[0]?.peer_stock_bits ?? 0), bits);
      t.is(store.stock_bits, bits);
      t.true(Math.abs((links[0]?.stock_bits ?? 0) - bits / 2) <= 256);
      t.is(links[0]?.key_exchange, "X25519MLKEM768");
    }
    t.is(alice?.links[0]?.stock_bits, bob?.links[0]?.peer_stock_bits);
  },
);

test.serial("key managers that ask for keys get them, the same at both ends", async (t) => {
  const bits = 12 * 8_192;
  const world = await link(t, 12, { mode: "on_request" });
  const [alice, bob] = await both(world, "all is matched", matchedAll(bits));
  t.is(alice?.modules[0]?.received_bits, bits);
  t.is(bob?.links[0]?.differing_keys, 0);
});

testWhole.serial(
  "key managers and nodes that are killed over and over lose no key, and double none",
  async (t) => {
    const { broken, bits, matched, keys } = await killKms(rounds(60), 4_711);
    t.deepEqual(broken, []);
    t.is(matched, bits);
    t.true(bits > 0 && keys > 0);
  },
);

testWhole.serial(
  "a key manager that stops in order answers the applications that have asked, and none is alone with a key",
  async (t) => {
    const { broken, bits, matched, keys } = await killKms(rounds(60), 4_712, "SIGTERM");
    t.deepEqual(broken, []);
    t.is(matched, bits);
    t.true(keys > 0);
  },
);
