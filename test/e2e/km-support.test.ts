/** `qkd-km support-bundle`: all that helps from afar, and nothing of a key in any writing. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import type { PastModule } from "../../src/ops/bundle/telemetry-csv.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { keyStream } from "../emulator/source/physics.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { KmPair } from "../rig/km-pair.ts";
import { programPath } from "../rig/programs.ts";
import { Rig } from "../rig/rig.ts";
import { deadline } from "../rig/with-rig.ts";
import { spellings, writings } from "../rig/writings.ts";

const command = programPath("qkd-km");
const [seed, blockBits, blocks] = [5, 8_192, 10];

function km(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return { status, stdout, stderr };
}

/** Unpacks a bundle with the system's own tools, and checks its sums. @returns the folder */
function unpack(t: ExecutionContext, file: string, to: string): string {
  mkdirSync(to);
  const { status, stderr } = spawnSync("tar", ["-xzf", file, "-C", to], { encoding: "utf8" });
  t.is(status, 0, stderr);
  const [name = ""] = readdirSync(to);
  const folder = join(to, name);
  const options = { cwd: folder, encoding: "utf8" } as const;
  const sums = spawnSync("sha256sum", ["-c", "--quiet", "SHA256SUMS"], options);
  t.is(sums.status, 0, sums.stdout + sums.stderr);
  return folder;
}

/** Every stretch of the keys that came, in whatever writing; what is found once is enough. */
function keyNeedles(): Buffer[] {
  return Array.from({ length: blocks }, (_, n) => keyStream(seed, n, blockBits)).flatMap((key) =>
    Array.from({ length: Math.floor(key.length / 32) }, (_, i) => i * 32).flatMap((at) =>
      [0, 1, 2].flatMap((shift) => spellings(key.subarray(at + shift, at + shift + 12))),
    ),
  );
}

async function world(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-support-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const kms = await KmPair.make({ folder, modules: ["QKD-A-0001", "QKD-B-0001"] });
  t.teardown(() => kms.stop());
  return { folder, kms, config: join(folder, "alice.toml") };
}

test.serial("a bundle has all that helps from afar, and no secret in any writing", async (t) => {
  const { folder, kms, config } = await world(t);
  await kms.start(deadline());
  const rig = await Rig.start({
    source: seedSource({ seed, blockBits, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    kmAt: { alice: kms.alice.at, bob: kms.bob.at },
  });
  const figures = async () => {
    const { modules } = await ask<{ modules: PastModule[] }>(
      [`${kms.alice.state}/control`],
      "history",
    );
    return modules.some(({ parts }) => parts.some((part) => Object.keys(part.figures).length > 0));
  };
  const matched = async () => (await kms.alice.status()).links[0]?.matched_bits;
  try {
    await eventually("all is matched", matched, { is: blocks * blockBits });
    // A curve has no more than whole buckets, of ten seconds.
    await eventually("figures are on record", figures);
  } finally {
    await rig.close();
  }
  const file = join(folder, "bundle.tar.gz");
  const said = km("support-bundle", file, "--config", config, "--json");
  t.is(said.status, 0, said.stderr);
  t.is(JSON.parse(said.stdout).file, file);
  t.is(statSync(file).mode & 0o777, 0o600);
  t.is(km("support-bundle", file, "--config", config).status, 73, "none is overwritten");
  const bundle = unpack(t, file, join(folder, "unpacked"));
  const read = (name: string) => readFileSync(join(bundle, name), "utf8");
  t.is(JSON.parse(read("manifest.json")).km, "km-alice");
  t.is(JSON.parse(read("status.json")).links[0].matched_bits, blocks * blockBits);
  t.true(JSON.parse(read("records/m.json")).keys.length > 0);
  t.true(JSON.parse(read("events.json")).events.length > 0);
  t.true(JSON.parse(read("metrics.json")).some(({ name }: { name: string }) => name === "qkd_km"));
  t.is(JSON.parse(read("running-configuration.json")).table.link.fibre.peer, "km-bob");
  t.regex(read("configuration.toml"), /key = ".*km-alice\.key"/);
  t.regex(read("log.txt"), /msg="running"/);
  t.regex(read("doctor.txt"), /ok +configuration/);
  t.regex(read("telemetry/fibre-hour.csv"), /total_stock_bits_mean/);
  t.regex(read("certificates.json"), /km-alice/);

  // It dies, and secrets are written where they do not belong.
  await kms.alice.process.stop("SIGKILL");
  const password = randomBytes(12).toString("base64url");
  writeFileSync(join(folder, "password"), `${password}\n`, { mode: 0o600 });
  appendFileSync(
    config,
    `# ${password}\n[web]\npassword_file = "password"\nname = "${password}"\n`,
  );
  const second = join(folder, "second.tar.gz");
  t.is(km("support-bundle", second, "--config", config).status, 0);
  const stopped = unpack(t, second, join(folder, "stopped"));
  const status = readFileSync(join(stopped, "status.json"), "utf8");
  t.regex(status, /"unavailable": "the key manager is not running/);

  const pem = readFileSync(kms.alice.own.key, "utf8");
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const master = readFileSync(join(folder, "master-alice"));
  const needles = [
    ...keyNeedles(),
    ...spellings(master.subarray(0, 24)),
    ...writings(
      Buffer.concat([der.subarray(36, 60), der.subarray(36, 60), Buffer.alloc(99)]),
    ).slice(0, 7),
    Buffer.from("PRIVATE KEY"),
    Buffer.from(password),
  ];
  const found = (one: string) => {
    const tar = gunzipSync(readFileSync(one));
    return needles.filter((needle) => tar.includes(needle)).length;
  };
  for (const one of [file, second]) t.is(found(one), 0, one);
  // A bundle with all of that in it: each is found.
  const leak = join(folder, "leak");
  mkdirSync(leak);
  writeFileSync(
    join(leak, "log.txt"),
    Buffer.concat(needles.flatMap((one) => [one, Buffer.from("\n")])),
  );
  const leaking = join(folder, "leak.tar.gz");
  t.is(spawnSync("tar", ["-czf", leaking, "-C", leak, "."]).status, 0);
  t.is(found(leaking), needles.length);
});

test.serial("a key manager whose store does not open gives a bundle that says why", async (t) => {
  const { folder, kms, config } = await world(t);
  await kms.alice.start(deadline());
  await kms.alice.process.stop();
  writeFileSync(join(folder, "master-alice"), Buffer.alloc(32, 9), { mode: 0o600 });
  const file = join(folder, "bundle.tar.gz");
  t.is(km("support-bundle", file, "--config", config).status, 0);
  const bundle = unpack(t, file, join(folder, "unpacked"));
  const { first, checks } = JSON.parse(readFileSync(join(bundle, "doctor.json"), "utf8"));
  t.is(first, "master_key");
  t.regex(JSON.stringify(checks), /made with another master key/);
});
