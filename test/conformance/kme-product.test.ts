/** The suite for KMEs against two key managers with a link between them: processes, TLS, real modules' keys. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { endpointsOf, writeEndpoints } from "../../scripts/demo/endpoints.ts";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { ApplicationClient } from "../rig/application.ts";
import type { KmOfPair, KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";
import { casesFor, kmeCases } from "./kme/suite.ts";
import type { Sae, Target } from "./kme/target.ts";
import { type Result, runAll } from "./run.ts";

const program = fileURLToPath(new URL("../../scripts/conform/etsi014.ts", import.meta.url));
const read = (file: string) => readFileSync(file, "utf8");

function saeOf(km: KmOfPair, index: 0 | 1): Sae {
  const { saeId: id, ca, cert, key } = km.applications[index] as (typeof km.applications)[0];
  const { hostname: host, port } = new URL(km.url);
  const door = { host, port: Number(port), serverName: `km-${km.end}`, prefix: "", ca: read(ca) };
  return { id, cert: read(cert), key: read(key), door };
}

interface World {
  readonly target: Target;
  readonly kms: KmPair;
}

async function world(t: ExecutionContext): Promise<World> {
  const rig = await Rig.start({
    source: seedSource({ seed: 14, blockBits: 65_536, blocks: 60, clock: systemClock }),
    baud: 0,
    keyBits: 65_536,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const { alice, bob, authority } = rig.kms as KmPair;
  const client = new ApplicationClient(
    alice,
    alice.applications[0] as (typeof alice.applications)[0],
  );
  t.teardown(() => client.close());
  const stock = async () => {
    const { body } = await client.status("app-b");
    return (body as { stored_key_count: number }).stored_key_count;
  };
  await rig.until("keys are in stock", stock, { atLeast: 60 * 128 - 1_024 });
  const stranger = await authority.issue({
    commonName: "km-monitor",
    dns: ["km-monitor"],
    usage: "client",
  });
  const target = {
    master: saeOf(alice, 0),
    slave: saeOf(bob, 0),
    third: saeOf(bob, 1),
    stranger,
    answerMs: 20_000,
    tolerated: new Set<string>(),
  };
  return { target, kms: rig.kms as KmPair };
}

/** `npm run conform:014`, as somebody types it. */
function typed(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, out, err) => {
      resolve({ code: Number(error?.code ?? 0), out, err });
    });
  });
}

function argsFor({ alice, bob }: KmPair): string[] {
  const sae = (km: KmOfPair, index: number, of = "") => {
    const one = km.applications[index] as (typeof km.applications)[0];
    return [`--${of}sae-id`, one.saeId, `--${of}cert`, one.cert, `--${of}key`, one.key];
  };
  const ca = ["--ca", alice.applications[0]?.ca ?? ""];
  const at = ["--url", alice.url, "--slave-url", `${bob.url}/api/v1/keys/`, ...ca];
  return [...at, ...sae(alice, 0), ...sae(bob, 0, "slave-"), ...sae(bob, 1, "third-")];
}

test("cases have names of their own", (t) => {
  const ids = kmeCases.map(({ id }) => id);
  t.is(new Set(ids).size, ids.length);
  t.true(ids.length >= 100);
});

test.serial("two key managers pass all of it, and no dialect is needed", async (t) => {
  const { target, kms } = await world(t);
  const report = await runAll("two key managers", casesFor(target));
  for (const { id, ms } of report.results) if (ms > 2_000) t.log(`${id}: ${ms} ms`);
  // Where there is multicast, it cannot be tried that there is none.
  const wanted = ({ id }: Result) => (id === "multicast-none" ? "skipped" : "passed");
  t.deepEqual(
    report.results.filter((one) => one.outcome !== wanted(one)),
    [],
  );

  const args = argsFor(kms);
  const some = ["status", "dec-post", "dec-other", "stranger"].flatMap((id) => ["--only", id]);
  const json = await typed([...args, ...some, "--strict", "--json"]);
  t.is(json.code, 0, json.err);
  t.like(JSON.parse(json.out), { passed: 3, failed: 0, skipped: 1 });
  const lines = await typed([...args, ...some]);
  t.is(lines.code, 0);
  t.regex(lines.out, /^ok {4}GET …\/status is answered 200 .* \(§5\.1\)\s+\[status\]$/m);
  t.regex(lines.out, /not applicable, because\s+there is no certificate of no SAE/);
  t.true(lines.out.split("\n").every((line) => [...line].length <= 80));
  // As `npm start` tells where they are.
  const file = join(dirname(kms.alice.own.cert), "endpoints.json");
  writeEndpoints(file, endpointsOf(kms.kms));
  const told = await typed(["--endpoints", file, "--only", "dec-both-ways", "--only", "dec-other"]);
  t.is(told.code, 0, told.err);
  t.regex(told.out, /: 2 passed, 0 failed\n$/);
  // Who is not let in is told.
  const elsewhere = await typed([...args, "--server-name", "elsewhere", "--only", "status"]);
  t.is(elsewhere.code, 69);
  t.regex(elsewhere.err, /--server-name says which it should have\n$/);
});

test("a command line that cannot be followed is told in a line, and the cases have a list", async (t) => {
  const files = ["--ca", "c", "--cert", "c", "--key", "k", "--sae-id", "a"];
  const slave = ["--slave-cert", "c", "--slave-key", "k", "--slave-sae-id", "b"];
  const urls = ["--url", "https://127.0.0.1:1", "--slave-url", "https://127.0.0.1:1"];
  const wrong = [
    [],
    [...urls, ...files],
    ["--url", "http://h", "--slave-url", "https://h", ...files, ...slave],
    [...urls, ...files, ...slave, "--answer-timeout", "0"],
    [...urls, ...files, ...slave, "--third-cert", "c"],
    [...urls, ...files, ...slave, "--stranger-cert", "c"],
    ["--nonsense"],
    ["--endpoints", "e", ...urls],
    ["--endpoints", program],
  ];
  for (const args of wrong) {
    const { code, err } = await typed(args);
    t.is(code, 64, args.join(" "));
    t.regex(err, /^conform:014: .+\n$/);
  }
  t.is((await typed([...urls, ...files, ...slave])).code, 66);
  const { out } = await typed(["--list"]);
  t.regex(out, /^dec-once +must/m);
  t.regex(out, /^own-texts /m);
  t.true(out.split("\n").every((line) => [...line].length <= 80));
  t.regex((await typed(["--help"])).out, /^npm run conform:014 -- /);
});
