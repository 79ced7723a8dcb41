/** Disks of key managers that are lost or set aside, as the instructions for operators say. */
import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import type { KmStatus } from "../../src/km/model/status.ts";
import type { Report } from "../../src/ops/doctor/finding.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { type KmOfPair, KmPair } from "../rig/km-pair.ts";
import { programPath } from "../rig/programs.ts";
import { Rig } from "../rig/rig.ts";
import { deadline } from "../rig/with-rig.ts";

const command = programPath("qkd-km");
const [blockBits, blocks] = [8_192, 10];

async function until(km: KmOfPair, holds: (status: KmStatus) => boolean): Promise<KmStatus> {
  return eventually(`status of ${km.end}`, () => km.status(), { when: holds });
}

const stock = ({ links: [link] }: KmStatus) =>
  (link?.stock_bits ?? 0) + (link?.peer_stock_bits ?? 0);

/** Two key managers with stock at both ends; the nodes are gone again. */
async function stocked(
  t: ExecutionContext,
  before: (kms: KmPair) => Promise<void> = async () => {},
): Promise<KmPair> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-restore-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"] });
  t.teardown(() => kms.stop());
  await kms.start(deadline());
  await before(kms);
  const rig = await Rig.start({
    source: seedSource({ seed: 5, blockBits, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    kmAt: { alice: kms.alice.at, bob: kms.bob.at },
  });
  try {
    for (const km of kms.kms) await until(km, (status) => stock(status) === blocks * blockBits);
  } finally {
    await rig.close();
  }
  return kms;
}

test.serial(
  "a key manager that lost its disk begins anew, and what the other has left is void",
  async (t) => {
    const { alice, bob } = await stocked(t);
    await bob.process.stop("SIGKILL");
    await rm(bob.state, { recursive: true });
    await bob.start(deadline());
    const left = await until(alice, ({ links: [link] }) => link?.session === "ready");
    t.is(stock(left), 0);
    t.is(left.links[0]?.extents, 0);
    t.is(stock(await until(bob, ({ links: [link] }) => link?.session === "ready")), 0);
    await alice.process.logged(/free bytes are used at the other end.* bytes=10240$/, deadline());
  },
);

test.serial("that a disk was put back is what the doctor names first, at both ends", async (t) => {
  const isUp = ({ links: [link] }: KmStatus) => link?.session === "ready";
  const copyOf = (km: KmOfPair) => `${km.state}-copy`;
  const { alice, bob } = await stocked(t, async (kms) => {
    await until(kms.bob, isUp);
    await kms.bob.process.stop();
    await cp(kms.bob.state, copyOf(kms.bob), { recursive: true });
    await kms.bob.start(deadline());
  });
  // A session that begins with what the copy does not have.
  await bob.process.stop();
  await bob.start(deadline());
  await until(alice, isUp);
  await bob.process.stop();
  await rm(bob.state, { recursive: true });
  await rename(copyOf(bob), bob.state);
  await bob.start(deadline());
  for (const km of [alice, bob]) {
    await until(km, ({ alarms }) => alarms.some(({ alarm }) => alarm === "restored_disk.fibre"));
    const config = join(dirname(km.state), `${km.end}.toml`);
    const { status, stdout } = spawnSync(command, ["doctor", "--json", "--config", config], {
      encoding: "utf8",
    });
    t.is(status, 1, stdout);
    const { first, checks } = JSON.parse(stdout) as Report;
    t.is(first, "restored.fibre");
    const check = checks.find(({ id }) => id === first);
    t.regex(check?.detail ?? "", /the disk of a key manager is older than it was/);
    t.regex(check?.advice ?? "", /never at both ends/i);
  }
});

test.serial(
  "keys that came and do not open any more are lost, and an alarm tells so",
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-km-damage-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"] });
    t.teardown(() => kms.stop());
    const { alice, bob } = kms;
    // The other KM is away: keys wait, in one group after the other.
    await alice.start(deadline());
    const rig = await Rig.start({
      source: seedSource({ seed: 5, blockBits, blocks, clock: systemClock }),
      baud: 0,
      blockIntervalMs: 100,
      keyBits: 256,
      kmAt: { alice: alice.at, bob: bob.at },
    });
    const waiting = ({ store }: KmStatus) => store.buffered_keys === (blocks * blockBits) / 256;
    try {
      await until(alice, waiting);
    } finally {
      await rig.close();
    }
    await alice.process.stop("SIGKILL");
    const intake = join(alice.state, "store", "intake");
    const [segment = ""] = await readdir(intake);
    const bytes = await readFile(join(intake, segment));
    // In the first group, behind its header.
    bytes[600] = (bytes[600] as number) ^ 1;
    await writeFile(join(intake, segment), bytes);
    await alice.start(deadline());
    const damaged = ({ alarms }: KmStatus) =>
      alarms.some(({ alarm }) => alarm === "store_damaged.store");
    const status = await until(alice, damaged);
    t.is(status.alarms.find(({ alarm }) => alarm === "store_damaged.store")?.detail, "1 part");
    t.true(status.store.buffered_keys > 0 && !waiting(status), `${status.store.buffered_keys}`);
  },
);

test.serial(
  "both begin anew when store and ids of both are set aside, as after two restored disks",
  async (t) => {
    const { alice, bob } = await stocked(t);
    for (const { process, state } of [alice, bob]) {
      t.is(await process.stop(), 0);
      t.deepEqual(
        (await readdir(state)).filter((name) => name === "store" || name === "ids").sort(),
        ["ids", "store"],
      );
      for (const name of ["store", "ids"]) await rename(join(state, name), `${state}-${name}`);
    }
    await Promise.all([alice, bob].map((km) => km.start(deadline())));
    for (const km of [alice, bob]) {
      const status = await until(km, ({ links: [link] }) => link?.session === "ready");
      t.is(stock(status), 0);
      t.is(status.store.buffered_keys, 0);
    }
  },
);
