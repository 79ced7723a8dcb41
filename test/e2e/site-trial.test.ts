/** A configuration on trial, and a power cut or a kill in its midst: the one before is in force again. */
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { siteStatus, siteTrouble } from "../../src/ops/site/told.ts";
import { SiteBench } from "../rig/site-bench.ts";

const bad = { "node.toml": "bad = [\n", "network/10-site.network": "[Match]\n" };
const good = { "node.toml": 'host = "km.operator"\n' };

function benchOf(t: ExecutionContext): SiteBench {
  const bench = new SiteBench();
  t.teardown(() => bench.close());
  return bench;
}

/** Plugs the stick in, and what takes it is killed while the programs start with it. */
async function killed(t: ExecutionContext, bench: SiteBench): Promise<void> {
  bench.cut = true;
  await t.throwsAsync(bench.plug(), undefined, "the script is killed");
  bench.cut = false;
  t.regex(readFileSync(join(bench.home, "node.toml"), "utf8"), /bad/, "it is in force");
  t.true(lstatSync(join(bench.home, ".untried")).isSymbolicLink());
}

/** Gives the machine a signed configuration, whose key signs the next ones. */
async function provisioned(bench: SiteBench): Promise<Record<string, string>> {
  const files = { ...good, "site-keys": await bench.key("ops") };
  bench.put(files);
  await bench.sign("ops", 1);
  const said = await bench.plug();
  if (!/^taken: /m.test(said)) throw new Error(said);
  bench.turn(true);
  return files;
}

test.serial(
  "the power goes while a blank machine tries its first configuration: it is blank again, and takes the next",
  async (t) => {
    const bench = benchOf(t);
    const blank = bench.shown();
    bench.put(bad);
    await killed(t, bench);
    // Other units are started meanwhile, which has systemd look at this one.
    t.is(await bench.startUnit("qkd-untried.service"), "", "a trial that goes on is left alone");
    t.regex(await bench.start(), /on trial and not kept: the machine has none again/);
    t.deepEqual(bench.shown(), blank);
    t.is(await bench.start(), "");
    bench.put(good);
    const said = await bench.plug();
    t.regex(said, /^taken: /m);
    t.regex(said, /^the one before was not taken: the machine stopped while it was on trial$/m);
    t.is(await bench.start(), "", "what was kept stays");
    t.is(siteTrouble(bench.environment, "node"), undefined);
    t.false(existsSync(join(bench.home, ".untried")));
  },
);

test.serial("the power goes while another one is tried: the one before is back", async (t) => {
  const bench = benchOf(t);
  const keys = await provisioned(bench);
  const before = bench.shown();
  bench.put({ ...keys, ...bad });
  await bench.sign("ops", 2);
  await killed(t, bench);
  t.regex(await bench.start(), /on trial and not kept: the one before is in force again/);
  t.deepEqual(bench.shown(), before);
  t.is(siteTrouble(bench.environment, "node"), undefined);
  t.like(siteStatus(bench.environment), {
    serial: 1,
    not_taken: { serial: 2, why: "the machine stopped while it was on trial" },
  });
  // What was wrong was not the configuration.
  t.regex(await bench.plug(), /^taken: /m);
  t.like(siteStatus(bench.environment), { serial: 2, not_taken: undefined });
});

test.serial("which program does not start with it, and why, is told until the next", async (t) => {
  const bench = benchOf(t);
  const keys = await provisioned(bench);
  bench.put({ ...keys, ...bad });
  for (const [serial, program, called] of [
    [2, "qkd-km", "the key manager"],
    [3, "qkd-node", "the node"],
  ] as const) {
    await bench.sign("ops", serial);
    bench.broken = program;
    const why = `${called} does not start with it: ${program}: bad.toml:1: not TOML`;
    t.regex(await bench.plug(), new RegExp(`^refused: ${why}; the configuration is as it`, "m"));
    t.like(siteStatus(bench.environment), { serial: 1, not_taken: { serial, why } });
  }
});

test.serial(
  "what takes a configuration is killed, and the machine goes on: it goes back, and says so",
  async (t) => {
    const bench = benchOf(t);
    await provisioned(bench);
    const before = bench.shown();
    bench.put({ ...bad, "site-keys": readFileSync(bench.in("ops.pub"), "utf8") });
    await bench.sign("ops", 2);
    await killed(t, bench);
    await bench.settle();
    t.deepEqual(bench.shown(), before);
    t.regex(bench.result ?? "", /^refused: taking it was cut short; the configuration is as it/);
    t.true(bench.did.includes("restart --no-block qkd-node.service"));
    // After one that came to its end there is nothing to do.
    const did = bench.did.length;
    await bench.settle();
    t.is(bench.did.length, did);
  },
);

test.serial("the next stick does not begin from one that was never kept", async (t) => {
  const bench = benchOf(t);
  bench.put(bad);
  await killed(t, bench);
  bench.put(good);
  t.regex(await bench.plug(), /^taken: /m);
  t.is(readFileSync(join(bench.home, "node.toml"), "utf8"), good["node.toml"]);
});

test.serial(
  "a disk that fails in the midst leaves the one before in force, as is told",
  async (t) => {
    const bench = benchOf(t);
    const keys = await provisioned(bench);
    const before = bench.shown();
    bench.put({ ...keys, "network/10-site.network": "[Match]\n" });
    await bench.sign("ops", 2);
    bench.failing = "switch";
    const back = "the configuration is as it was before";
    t.regex(
      await bench.plug(),
      new RegExp(`^refused: it could not be put in force: EIO; ${back}$`, "m"),
    );
    t.deepEqual(bench.shown(), before);
    bench.failing = "keep";
    t.regex(await bench.plug(), new RegExp(`^refused: it cannot be kept; ${back}$`, "m"));
    t.deepEqual(bench.shown(), before);
    t.is(siteStatus(bench.environment)?.not_taken?.why, "it cannot be kept");
    bench.failing = "revert";
    bench.broken = true;
    t.regex(
      await bench.plug(),
      /^refused: the key manager does not start with it: .*; it is still in force, since .*: EIO$/m,
    );
  },
);
