import { readFileSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { linkTable } from "../../src/km/cli/show.ts";
import type { KeyStory } from "../../src/km/records/tellings.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { testWhole } from "../needs.ts";
import { patience } from "../patience.ts";
import { ApplicationClient, type HeldKey, heldKeys, type Reply } from "../rig/application.ts";
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

async function sameKey(t: ExecutionContext, { a, b }: World): Promise<void> {
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
}

/** A key is for its two applications, in either direction, and for no other. */
async function forTheTwo(t: ExecutionContext, { a, a2, b, b2 }: World): Promise<void> {
  const [key] = heldKeys(await b.encKeys(a.sae));
  const { id = "" } = key ?? {};
  // Of the same KM, but another: it learns nothing more.
  const other = await a2.decKeys(b.sae, [id]);
  t.is(other.status, 401);
  t.is(other.body, undefined);
  t.is((await a.decKeys(b2.sae, [id])).status, 401);
  // Asked for with one that is not there: nothing is lost.
  const wrong = await a.decKeys(b.sae, [id, "00000000-0000-4000-8000-000000000000"]);
  t.is(wrong.status, 400);
  t.deepEqual(heldKeys(await a.decKeys(b.sae, [id])), [key as HeldKey]);
  // Two of one KM share no fibre; one that nobody knows shares nothing.
  t.is((await a.encKeys(a2.sae)).status, 401);
  t.is((await a.encKeys("app-x")).status, 401);
}

async function oneAnswer(t: ExecutionContext, { a, b }: World): Promise<void> {
  const ask = (name: string, number = 2) => {
    const headers = { "idempotency-key": name };
    return a.ask(`/api/v1/keys/${b.sae}/enc_keys`, { number }, { headers });
  };
  const [first, second] = await Promise.all([ask("one"), ask("one")]);
  t.is(first.status, 200);
  t.deepEqual(heldKeys(second), heldKeys(first));
  t.deepEqual(heldKeys(await ask("one")), heldKeys(first));
  t.notDeepEqual(heldKeys(await ask("two")), heldKeys(first));
  t.is((await ask("one", 3)).status, 400);
  // Taken for none, the same question would cost a second key each time.
  for (const name of ["", "a".repeat(129), "a b", "caf\u00e9"]) t.is((await ask(name)).status, 400);
  // Fetched once; the lost answer may be had again.
  const ids = heldKeys(first).map(({ id }) => id);
  const headers = { "idempotency-key": "fetch" };
  const key_IDs = ids.map((key_ID) => ({ key_ID }));
  const fetch = () => b.ask(`/api/v1/keys/${a.sae}/dec_keys`, { key_IDs }, { headers });
  t.deepEqual(heldKeys(await fetch()), heldKeys(first));
  t.deepEqual(heldKeys(await fetch()), heldKeys(first));
  t.is((await b.decKeys(a.sae, ids)).status, 400);
}

/** One key for several applications of the other end: each of them has it once. */
async function forSeveral(t: ExecutionContext, { kms, a, a2, b, b2 }: World): Promise<void> {
  const asked = { number: 2, additional_slave_SAE_IDs: [b2.sae] };
  const enc = await a.ask(`/api/v1/keys/${b.sae}/enc_keys`, asked);
  t.is(enc.status, 200);
  const given = heldKeys(enc);
  const ids = given.map(({ id }) => id);
  t.is((await a2.decKeys(b.sae, ids)).status, 401);
  for (const slave of [b2, b]) {
    t.deepEqual(heldKeys(await slave.decKeys(a.sae, ids)), given);
    t.is((await slave.decKeys(a.sae, ids)).status, 400);
  }
  // Both ends have on record who had it first.
  for (const { state } of kms.kms) {
    const asked = { id: ids[0] as string };
    const { steps } = await ask<KeyStory>([`${state}/control.read`], "keys", asked);
    const told = steps.flatMap(({ fetched }) => fetched ?? []);
    t.is(told[0], JSON.stringify([b2.sae]), state);
    t.is(told.at(-1), JSON.stringify([b.sae, b2.sae].toSorted()), state);
  }
  // One of them may not: nobody gets anything.
  const wrong = { additional_slave_SAE_IDs: [b2.sae, "app-x"] };
  t.is((await a.ask(`/api/v1/keys/${b.sae}/enc_keys`, wrong)).status, 401);
}

/** Keys may be long and odd: what is left of a unit is used next. */
async function longAndOdd(t: ExecutionContext, { a, b }: World): Promise<void> {
  for (const size of [64, 136, 1_000 * 8, 65_536]) {
    const enc = await a.encKeys(b.sae, 1, size);
    const given = heldKeys(enc);
    t.is(given[0]?.bits, size);
    t.deepEqual(heldKeys(await b.decKeys(a.sae, [given[0]?.id ?? ""])), given);
  }
  // Asked for apart, and fetched together.
  const mixed: HeldKey[] = [];
  for (const size of [64, 72, 8_000]) mixed.push(...heldKeys(await a.encKeys(b.sae, 1, size)));
  const ids = mixed.map(({ id }) => id);
  t.deepEqual(heldKeys(await b.decKeys(a.sae, ids)), mixed);
  const { body } = await a.status(b.sae);
  t.like(body, { key_size: 256, min_key_size: 64, max_SAE_ID_count: 15 });
}

testWhole.serial(
  "applications are read anew by SIGHUP, and a table that differs is told",
  async (t) => {
    const { rig, kms, a, a2, b, b2 } = await world(t);
    const { alice, bob } = kms;
    const was = readFileSync(`${rig.folder}/kms/alice.toml`, "utf8");
    const reread = (config: string) => {
      writeFileSync(`${rig.folder}/kms/alice.toml`, config);
      alice.process.signal("SIGHUP");
    };
    reread(was.replaceAll(`with = ["app-b", "app-b2"]`, `with = ["app-b"]`));
    const told = async () => (await alice.status()).links[0]?.same_policy;
    await rig.until("the table differs", told, { when: (same) => same === false });
    t.is((await a.encKeys(b2.sae)).status, 401);
    await rig.until("keys for the other", () => a.encKeys(b.sae), {
      when: ({ status }) => status === 200,
    });
    // One that is wrong changes nothing, and is told.
    reread(`${was}\n[sae.app-z]\nwith = ["nobody"]\n`);
    await alice.process.logged(/applications stay as they were/, patience(20_000));
    reread(was);
    await rig.until("the same again", told, { when: (same) => same === true });
    await rig.until("keys again", () => a.encKeys(b2.sae), {
      when: ({ status }) => status === 200,
    });
    const { applications } = await bob.status();
    t.deepEqual(applications, []);
    // The SAE ID is another application's now: under the same name it is not given what the first was given.
    const named = { headers: { "idempotency-key": "1" } };
    const ask = (client: ApplicationClient) =>
      client.ask(`/api/v1/keys/${b.sae}/enc_keys`, {}, named);
    const first = heldKeys(await ask(a));
    t.is(first.length, 1);
    reread(
      was
        .replace("[sae.app-a]", `[sae.app-a]\nnames = ["app-a2"]`)
        .replace("[sae.app-a2]", `[sae.app-a2]\nnames = ["app-a"]`),
    );
    const { body } = await rig.until("the keys of the other", () => ask(a2), {
      when: ({ status }) => status === 200,
    });
    t.notDeepEqual(heldKeys({ body } as Reply), first);
  },
);

testWhole.serial("an application holds no more keys than it may, from SIGHUP on", async (t) => {
  const { rig, kms, a, a2, b } = await world(t);
  const file = `${rig.folder}/kms/alice.toml`;
  const own = "[sae.app-a]\n";
  writeFileSync(file, readFileSync(file, "utf8").replace(own, `${own}outstanding_keys = 4\n`));
  kms.alice.process.signal("SIGHUP");
  await kms.alice.process.logged(/applications were read anew/, patience(20_000));
  const enc = await a.encKeys(b.sae, 4);
  t.is(enc.status, 200, JSON.stringify(enc.body));
  const given = heldKeys(enc);
  const refused = await a.encKeys(b.sae);
  t.is(refused.status, 503);
  t.is(refused.headers["retry-after"], "1");
  t.like(refused.body, { message: "too many keys of the SAE are not fetched yet" });
  t.is((await a2.encKeys(b.sae, 8)).status, 200, "of others it is no matter");
  const pairs = (await kms.alice.status()).applications;
  t.is(pairs?.find(({ master }) => master === "app-a")?.refused, 1);
  await b.decKeys(a.sae, [given[0]?.id ?? ""]);
  await rig.until("one more", () => a.encKeys(b.sae), { when: ({ status }) => status === 200 });
});

/** More than an application may have is refused, and others are served. */
async function tooMuch(t: ExecutionContext, { a, b }: World): Promise<void> {
  t.is((await a.encKeys(b.sae, 129)).status, 400);
  const short = await a.encKeys(b.sae, 128, 65_536);
  t.is(short.status, 503);
  t.deepEqual(short.headers["retry-after"], "1");
  t.like(short.body, { message: "not enough keys are stored" });
  t.is((await a.encKeys(b.sae)).status, 200);
}

testWhole.serial(
  "where takes are local a key is fetched while the other KM is away, and after a restart not before books were compared",
  async (t) => {
    const { rig, kms, a, b } = await world(t);
    const { alice, bob } = kms;
    await bob.process.stop();
    const file = `${rig.folder}/kms/bob.toml`;
    const own = "[link.fibre]\n";
    writeFileSync(file, readFileSync(file, "utf8").replace(own, `${own}takes = "local"\n`));
    await bob.start(patience(30_000));
    const enc = await rig.until("keys", () => a.encKeys(b.sae, 2), {
      when: ({ status }) => status === 200,
    });
    const [one, two] = heldKeys(enc);
    t.is((await alice.status()).links[0]?.takes, "witnessed");
    const status = await bob.status();
    t.is(status.links[0]?.takes, "local");
    t.regex(linkTable(status), /without a witness its applications fetch keys .*: fibre/);
    t.notRegex(linkTable(await alice.status()), /witness/);
    await alice.process.stop("SIGKILL");
    await rig.until("the link is down", async () => (await bob.status()).links[0]?.session, {
      is: "down",
    });
    const fetched = await b.decKeys(a.sae, [one?.id ?? ""]);
    t.deepEqual(heldKeys(fetched), [one]);
    t.is((await b.decKeys(a.sae, [one?.id ?? ""])).status, 400, "once");
    await bob.process.stop("SIGKILL");
    await bob.start(patience(30_000));
    const early = await rig.until("an answer", () => b.decKeys(a.sae, [two?.id ?? ""]), {
      when: ({ status }) => status > 0,
    });
    t.is(early.status, 503);
    await alice.start(patience(30_000));
    const late = await rig.until("the other key", () => b.decKeys(a.sae, [two?.id ?? ""]), {
      when: ({ status }) => status === 200,
    });
    t.deepEqual(heldKeys(late), [two]);
  },
);

async function withoutOther(t: ExecutionContext, { rig, kms, a, b }: World): Promise<void> {
  const [key] = heldKeys(await a.encKeys(b.sae));
  await kms.bob.process.stop("SIGKILL");
  const away = await rig.until("away", () => a.encKeys(b.sae), {
    when: ({ status }) => status === 503,
  });
  t.is(away.headers["retry-after"], "1");
  await kms.bob.start(patience(30_000));
  // What was given before is there for its partner all the same.
  const dec = await rig.until("fetched", () => b.decKeys(a.sae, [key?.id ?? ""]), {
    when: ({ status }) => status === 200,
  });
  t.deepEqual(heldKeys(dec), [key as HeldKey]);
}

// One world for all three: it costs more than what is asked in it.
test.serial(
  "two applications get the same key, once; a question that is repeated under its name has one answer; without the other KM there is no key, and that is said at once",
  async (t) => {
    const one = await world(t);
    for (const part of [sameKey, oneAnswer, withoutOther]) await part(t, one);
  },
);

testWhole.serial(
  "a key is for its applications and no other; it may be long, odd and for several; too much is refused",
  async (t) => {
    const one = await world(t, 40);
    for (const part of [forTheTwo, forSeveral, longAndOdd, tooMuch]) await part(t, one);
  },
);
