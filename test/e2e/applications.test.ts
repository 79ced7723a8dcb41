import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";

interface World {
  readonly rig: Rig;
  readonly kms: KmPair;
  /** Of alice: `app-a`, `app-a2`; of bob: `app-b`, `app-b2`. */
  readonly a: ApplicationClient;
  readonly a2: ApplicationClient;
  readonly b: ApplicationClient;
  readonly b2: ApplicationClient;
}

/** A whole link with keys in stock, and two applications at each end. */
async function world(t: ExecutionContext, blocks = 20): Promise<World> {
  const rig = await Rig.start({
    source: seedSource({ seed: 7, blockBits: 8_192, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const kms = rig.kms as KmPair;
  const clients = kms.kms.flatMap((km) =>
    km.applications.map((one) => new ApplicationClient(km, one)),
  );
  for (const client of clients) t.teardown(() => client.close());
  const [a, a2, b, b2] = clients as [
    ApplicationClient,
    ApplicationClient,
    ApplicationClient,
    ApplicationClient,
  ];
  const stock = async () => {
    const { stored_key_count: keys } = (await a.status(b.sae)).body as { stored_key_count: number };
    return keys;
  };
  await rig.until("keys are in stock", stock, { atLeast: (blocks * 32) / 2 - 1 });
  return { rig, kms, a, a2, b, b2 };
}

test.serial("two applications get the same key, once", async (t) => {
  const { a, b } = await world(t);
  const enc = await a.encKeys(b.sae, 3);
  t.is(enc.status, 200, JSON.stringify(enc.status));
  const given = heldKeys(enc);
  t.is(given.length, 3);
  t.true(given.every(({ bits }) => bits === 256));
  const ids = given.map(({ id }) => id);
  const dec = await b.decKeys(a.sae, ids);
  t.is(dec.status, 200);
  t.deepEqual(heldKeys(dec), given);
  const again = await b.decKeys(a.sae, ids);
  t.is(again.status, 400);
  t.deepEqual(again.body, { message: "one or more keys specified are not found on KME" });
});
