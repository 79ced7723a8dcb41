import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { patience } from "../patience.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { type PskEnds, pskEnds, qkdPsk } from "../rig/psk-ends.ts";
import { Rig } from "../rig/rig.ts";

interface World extends PskEnds {
  readonly rig: Rig;
  readonly kms: KmPair;
  readonly folder: string;
  /** Digests of the keys that an end's tunnel was given, in their order. */
  readonly given: (role: "master" | "slave") => string[];
}

/** A tunnel that is a list of digests. */
async function world(t: ExecutionContext): Promise<World> {
  const rig = await Rig.start({
    source: seedSource({ seed: 5, blockBits: 8_192, blocks: 20, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const kms = rig.kms as KmPair;
  const folder = join(rig.folder, "psk");
  const tunnel = (role: string) => `[command]
run = ["sh", "-c", "stat -c %a $0 >>${folder}/${role}/modes; sha256sum <$0 >>${folder}/${role}/given", "%f"]
format = "raw"
`;
  const ends = await pskEnds({ kms, folder, tunnel: [tunnel("master"), tunnel("slave")] });
  t.teardown(() => Promise.all([ends.master.stop(), ends.slave.stop()]));
  const given = (role: string) => {
    try {
      return readFileSync(`${folder}/${role}/given`, "utf8").trim().split("\n");
    } catch {
      return [];
    }
  };
  return { rig, kms, folder, given, ...ends };
}

/** Keys that were installed, each counted once. */
function keys(given: readonly string[]): number {
  return new Set(given).size;
}

test.serial("both ends get one key after the other, whoever is killed", async (t) => {
  const { folder, master, slave, given, kms } = await world(t);
  const both = () => Math.min(keys(given("master")), keys(given("slave")));
  master.start();
  slave.start();
  const about = () => [...master.lines, ...slave.lines].slice(-12).join("\n");
  await eventually("three keys at both ends", both, { atLeast: 3, about });
  const ofSlave = new Set(given("slave"));
  t.true(given("master").filter((one) => ofSlave.has(one)).length >= 3, "the same keys");

  for (const end of [slave, master]) {
    await end.stop("SIGKILL");
    const before = both();
    end.start();
    await eventually("more keys after a kill", both, { atLeast: before + 2, about });
  }
  // Without a KM the key of before stays; it goes on when the KM is back.
  await kms.bob.process.stop("SIGKILL");
  const last = () => master.lines.at(-1);
  await eventually("no key is to be had", last, { matches: /it answered 503/ });
  await kms.bob.start(patience(30_000));
  const before = both();
  await eventually("more keys with the KM back", both, { atLeast: before + 2, about });

  t.is(await master.stop(), 0);
  t.is(await slave.stop(), 0);
  t.is(given("master").at(-1), given("slave").at(-1), "and they end with the same key");
  for (const role of ["master", "slave"]) {
    const modes = readFileSync(`${folder}/${role}/modes`, "utf8").trim().split("\n");
    t.deepEqual([...new Set(modes)], ["600"]);
    t.is(statSync(`${folder}/${role}/state`).mode & 0o777, 0o700);
    t.deepEqual(
      readdirSync(`${folder}/${role}/state`).sort(),
      ["current", "lock"],
      "what was installed is gone",
    );
    const log = readFileSync(`${folder}/${role}/log`, "utf8");
    const current = readFileSync(`${folder}/${role}/state/current`).subarray(36);
    for (const form of ["hex", "base64"] as const) t.false(log.includes(current.toString(form)));
  }
});

testWhole.serial("another application of the other end is not heard", async (t) => {
  const { folder, master, slave, kms, given } = await world(t);
  slave.start();
  await slave.logged(/msg="listening"/, patience(30_000));
  const [, second] = kms.alice.applications;
  const config = readFileSync(`${folder}/master/psk.toml`, "utf8");
  writeFileSync(`${folder}/master/psk.toml`, config.replaceAll("app-a.", `${second?.saeId}.`));
  master.start();
  await slave.logged(/another than the master/, patience(30_000));
  await master.stop();
  t.deepEqual(given("slave"), []);
});

test.serial(
  "told to stop while it gives the tunnel its key, it ends when that is done",
  async (t) => {
    const { folder, slave } = await world(t);
    const file = `${folder}/slave/psk.toml`;
    const wait = `touch ${folder}/begun; until test -e ${folder}/go; do sleep 0.05; done`;
    const config = readFileSync(file, "utf8").replace(
      /^run = .*$/m,
      `run = ["sh", "-c", "${wait}"]`,
    );
    writeFileSync(file, config);
    mkdirSync(`${folder}/slave/state`, { mode: 0o700 });
    writeFileSync(`${folder}/slave/state/current`, `${randomUUID()}${"k".repeat(32)}`, {
      mode: 0o600,
    });
    slave.start();
    await eventually("its start installs a key", () => existsSync(`${folder}/begun`));
    const stopped = slave.stop();
    writeFileSync(`${folder}/go`, "");
    t.is(await stopped, 0);
  },
);

test.serial("an end whose address is not there yet listens when it is", async (t) => {
  const { folder, slave } = await world(t);
  const file = `${folder}/slave/psk.toml`;
  const config = readFileSync(file, "utf8");
  const port = Number(/^\[listen\]\nport = (\d+)$/m.exec(config)?.[1]);
  const other = createServer().listen(port, "127.0.0.1");
  await once(other, "listening");
  writeFileSync(file, config.replace("[listen]", '[listen]\nhost = "127.0.0.1"'));
  slave.start();
  await slave.logged(/cannot begin: cannot listen for .*EADDRINUSE.*waiting/, patience(30_000));
  t.is(await slave.stop(), 0, "it is told to stop while it waits");
  slave.start();
  await slave.logged(/cannot begin/, patience(30_000));
  other.close();
  await slave.logged(/msg="listening"/, patience(30_000));
  t.is(await slave.stop(), 0);
});

test.serial("what is wrong with a configuration is said, all of it at once", async (t) => {
  const { folder } = await world(t);
  const good = spawnSync(qkdPsk, ["check-config", "--config", `${folder}/master/psk.toml`]);
  t.is(good.status, 0);
  t.regex(good.stdout.toString(), /: good \(master, with app-b\)/);
  const named = spawnSync(qkdPsk, ["check-config", `${folder}/master/psk.toml`]);
  t.is(named.stdout.toString(), good.stdout.toString());
  const config = readFileSync(`${folder}/master/psk.toml`, "utf8");
  const wrong = config.replace(/^port = .*$/m, "").replace("https:", "http:");
  writeFileSync(`${folder}/wrong.toml`, `${wrong}\n[wireguard]\ninterface = "wg0"\npeer = "x"\n`);
  const { status, stderr } = spawnSync(qkdPsk, [
    "check-config",
    "--config",
    `${folder}/wrong.toml`,
  ]);
  t.is(status, 78);
  t.regex(stderr.toString(), /km\.url: expected https:\/\/HOST:PORT/);
  t.regex(stderr.toString(), /wireguard\.peer: expected the peer's public key/);
  t.regex(execFileSync(qkdPsk, ["--help"]).toString(), /check-config/);
  t.is(spawnSync(qkdPsk, ["runn"]).status, 64);
});
