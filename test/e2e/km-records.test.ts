import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { whole } from "../../src/host/terminal/units.ts";
import type { KmStatus } from "../../src/km/model/status.ts";
import type { Affected, GivenUp, KeyList, KeyStory } from "../../src/km/records/tellings.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import type { KmOfPair, KmPair } from "../rig/km-pair.ts";
import { programPath } from "../rig/programs.ts";
import { Rig } from "../rig/rig.ts";

const command = programPath("qkd-km");
const run = promisify(execFile);

/** The command line of one end; what it prints. */
async function cli(km: KmOfPair, ...args: string[]): Promise<string> {
  const { stdout } = await run(command, [...args, "--config", `${km.state}.toml`]);
  return stdout;
}

async function json<T>(km: KmOfPair, ...args: string[]): Promise<T> {
  return JSON.parse(await cli(km, ...args, "--json"));
}

/** Both ends have compared all keys of these blocks. */
async function matched(t: ExecutionContext, blocks: number): Promise<KmPair> {
  const rig = await Rig.start({
    source: seedSource({ seed: 11, blockBits: 8_192, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const kms = rig.kms as KmPair;
  await stockIs(kms, blocks * 8_192);
  return kms;
}

async function stockIs(kms: KmPair, bits: number): Promise<void> {
  const all = ({ links: [link] }: KmStatus) =>
    (link?.stock_bits ?? 0) + (link?.peer_stock_bits ?? 0) === bits;
  const probe = () => Promise.all(kms.kms.map((km) => km.status()));
  await eventually(`${bits} bits of stock`, probe, { when: (seen) => seen.every(all) });
}

test.serial("a QKD-key's story is told at both ends, and so is that of its KMA-key", async (t) => {
  const kms = await matched(t, 8);
  const [first, second] = await Promise.all(
    kms.kms.map((km) => json<KeyList>(km, "keys", "--module", "m", "--from", "1h")),
  );
  t.is(first?.keys.length, 8 * 32);
  t.deepEqual(first?.keys.map(({ id }) => id).sort(), second?.keys.map(({ id }) => id).sort());
  const id = first?.keys[5]?.id as string;
  const stories = await Promise.all(kms.kms.map((km) => json<KeyStory>(km, "key", "show", id)));
  const units = new Set<string>();
  for (const { kind, link, steps } of stories) {
    t.is(kind, "QKD-key");
    t.is(link, "fibre");
    t.deepEqual(
      steps.map(({ step }) => step),
      ["received", "matched"],
    );
    t.is(steps[0]?.bits, 256);
    t.truthy(steps[0]?.generated);
    units.add(steps[1]?.kma_keys?.[0] ?? "");
  }
  t.is(units.size, 1, "the KMA-key has one ID at both ends");
  const [unit = ""] = units;
  for (const km of kms.kms) {
    const story = await json<KeyStory>(km, "key", "show", unit);
    t.is(story.kind, "KMA-key");
    t.true(story.steps.some(({ reason }) => reason === id));
    const text = await cli(km, "key", "show", id);
    t.regex(text, /compared and matched into\s+extent \d+/);
    for (const line of text.split("\n")) t.true(line.length <= 80, line);
  }
  for (const [code, ...args] of [
    [64, "key", "show", "12"],
    [64, "key", "list", id],
    [64, "keys", "--module", "m"],
    [64, "keys", "--module", "m", "--from", "soon"],
    [64, "keys", "--module", "n", "--from", "1h"],
    [64, "keys", "--module", "m", "--from", "1h", "--to", "2h"],
    [64, "links", "--from", "1h"],
    [64, "compromise", "--from", "1h"],
    [64, "compromise", "--link", "none", "--from", "1h"],
    [64, "compromise", "--link", "fibre", "--from", "1h", "--yes", "km-alice"],
    [64, "compromise", "--link", "fibre", "--from", "1h", "--delete"],
  ] as const) {
    await t.throwsAsync(cli(kms.alice, ...args), { code }, args.join(" "));
  }
  const unknown = await json<KeyStory>(kms.alice, "key", "show", "0".repeat(32));
  t.is(unknown.kind, "unknown");
});

test.serial("keys of a time are given up at both ends, and both books agree", async (t) => {
  const kms = await matched(t, 8);
  const affected = await json<Affected>(kms.alice, "compromise", "--link", "fibre", "--from", "1h");
  t.is(affected.matched_keys, 8 * 32);
  t.is(affected.free_bits, 8 * 8_192);
  await t.throwsAsync(
    cli(kms.alice, "compromise", "--link", "fibre", "--from", "1h", "--delete", "--yes", "km-bob"),
    { message: /names another key manager/ },
  );
  const order = { link: "fibre", from: 0, to: Date.now(), confirm: "km-alice" };
  const looks = [`${kms.alice.state}/control.read`];
  await t.throwsAsync(ask(looks, "compromise", order), { message: /only answers/ });
  const done = await json<GivenUp>(
    kms.alice,
    ...["compromise", "--link", "fibre", "--from", "1h", "--delete", "--yes", "km-alice"],
  );
  t.is(done.void_bits, 8 * 8_192);
  t.is(done.left_keys, 0);
  await stockIs(kms, 0);
  // Nothing is left on its way, and no extent is kept.
  const probe = () => Promise.all(kms.kms.map((km) => km.status()));
  await eventually("both have deleted it", probe, {
    when: (seen) => seen.every(({ links: [link] }) => link?.uses === 0 && link.extents === 0),
  });
  const { keys } = await json<KeyList>(kms.bob, "keys", "--module", "m", "--from", "1h");
  const id = keys[0]?.id as string;
  for (const km of kms.kms) {
    const { steps } = await json<KeyStory>(km, "key", "show", id);
    const ordered = km === kms.alice ? ["order"] : [];
    t.deepEqual(
      steps.map(({ step }) => step).filter((step) => step !== "fate"),
      ["received", "matched", ...ordered, "given_up", "deleted"],
    );
  }
  await kms.alice.process.stop("SIGKILL");
  await kms.alice.start(patience(30_000));
  const after = await json<KeyStory>(kms.alice, "key", "show", id);
  t.true(after.steps.some(({ step }) => step === "given_up"));
});

test.serial(
  "keys of a module that got another name are told, and given up on an order",
  async (t) => {
    const rig = await Rig.start({
      source: seedSource({ seed: 12, blockBits: 8_192, clock: systemClock }),
      baud: 0,
      keyBits: 256,
      realKms: true,
    });
    t.teardown(() => rig.close());
    const { alice, bob } = rig.kms as KmPair;
    await bob.process.stop("SIGKILL");
    const waits = () => alice.status();
    await eventually("keys wait", waits, {
      when: ({ links: [link] }) => (link?.waiting_keys ?? 0) > 0,
    });
    await alice.process.stop("SIGTERM");
    const file = `${alice.state}.toml`;
    await writeFile(file, (await readFile(file, "utf8")).replace("[module.m]", "[module.renamed]"));
    await alice.start(patience(30_000));
    const { left_over_keys } = (await alice.status()).store;
    t.true(left_over_keys > 0);
    // How many it is says where the line ends.
    const oneLine = (text: string) => text.replace(/\s+/g, " ");
    const told = `left over ${whole(left_over_keys)} QKD-keys of modules that are not in the configuration`;
    t.true(oneLine(await cli(alice, "status")).includes(oneLine(told)));
    const ofOld = ["keys", "--module", "m", "--from", "1h"];
    const { keys } = await json<KeyList>(alice, ...ofOld);
    t.is(keys.filter(({ became }) => became === "waits").length, left_over_keys);
    const order = ["compromise", "--link", "fibre", "--from", "1h"];
    t.is((await json<Affected>(alice, ...order)).left_over_keys, left_over_keys);
    await json<GivenUp>(alice, ...order, "--delete", "--yes", "km-alice");
    t.is((await alice.status()).store.left_over_keys, 0);
    await alice.process.stop("SIGKILL");
    await alice.start(patience(30_000));
    t.is((await alice.status()).store.left_over_keys, 0);
  },
);
