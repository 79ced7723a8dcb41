import { exec, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import type { Endpoints } from "../../scripts/demo/endpoints.ts";
import { silentLog } from "../../src/base/log.ts";
import { CkLink } from "../../src/km/io/ck-link.ts";
import { some } from "../campaign-scale.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { Pty } from "../emulator/pty.ts";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { askKm, type HeldKey, heldKeys } from "../rig/application.ts";
import { KmEnd } from "../rig/ck-bench.ts";
import { SkipClient } from "../rig/skip-client.ts";

const demo = fileURLToPath(new URL("../../scripts/demo/main.ts", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures/qcrypto/", import.meta.url));

/** Runs what `npm start -- …` runs. */
async function start(...args: string[]) {
  const child = spawn(process.execPath, [demo, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk) => out.push(chunk));
  child.stderr.on("data", (chunk) => err.push(chunk));
  const [code] = await once(child, "close");
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

/** The first asks for more keys than there are: that is no failure, it is exhausted. */
const recordings = [
  { name: "qber-7.5pct", bits: 8_021 + 8_155, qber: [0.0747, 0.0738], more: ["--keys", "99"] },
  { name: "qber-1.5pct", bits: 36_266 + 36_206 + 36_213, qber: [0.0146, 0.0147, 0.0147], more: [] },
  { name: "qber-3pct", bits: 46_890, qber: [0.0316, 0.0286, 0.0312, 0.0307], more: [] },
];

for (const { name, bits, qber, more } of some(recordings)) {
  testWhole.serial(`the recording ${name} arrives whole and identical at both KMs`, async (t) => {
    const begun = performance.now();
    const args = ["--link", "--replay", fixtures + name, "--json", ...more];
    const { code, stdout, stderr } = await start(...args);
    t.is(code, 0, stderr);
    const { ends, mismatches, applications, seconds } = JSON.parse(stdout);
    const keys = qber.length;
    const end = { supplied: keys, confirmed: keys, withheld: 0, empty_blocks: 0, bits, qber };
    const { km } = ends.alice;
    t.deepEqual(ends, { alice: { ...end, km }, bob: { ...end, km } });
    // A key has whole bytes of use: what is left of its last byte is not.
    t.true(km.matched_bits <= bits && km.matched_bits > bits - 8 * keys);
    // Two applications had some of it.
    const stock = km.matched_bits - applications.keys * 256;
    t.deepEqual(km, { ...km, received: keys, aborted: 0, stock });
    t.true(applications.keys >= 20 && applications.different === 0);
    t.true(applications.requests >= 2 * applications.keys);
    t.true(applications.p50_ms > 0 && applications.p50_ms <= applications.p99_ms);
    t.is(mismatches, 0);
    t.true(seconds > 0 && seconds < (performance.now() - begun) / 1_000, `${seconds} s`);
  });
}

testWhole.serial(
  "a recording in which nothing was distilled supplies nothing and says so",
  async (t) => {
    const folder = `${fixtures}qber-12.5pct-no-key`;
    const args = ["--link", "--replay", `${folder}/alice`, `${folder}/bob`, "--json"];
    const { code, stdout, stderr } = await start(...args);
    t.is(code, 0, `${stderr}${stdout}`);
    const qber = [0.1257, 0.1215];
    const km = { received: 0, matched_bits: 0, aborted: 0, stock: 0 };
    const end = { supplied: 0, confirmed: 0, withheld: 0, empty_blocks: 2, bits: 0, qber, km };
    const { ends, applications } = JSON.parse(stdout);
    t.deepEqual(ends, { alice: end, bob: end });
    // They asked, and were told that there is no key.
    t.is(applications.keys, 0);
    t.is(applications.p50_ms, null);
  },
);

test.serial("three in a row: the ends share keys that were relayed, until --keys", async (t) => {
  // No more blocks than are wanted: until the controller has its route, programs would work at their limit.
  const pace = ["--baud", "0", "--block-interval-ms", "100"];
  const args = ["--seed", "7", "--keys", "20", "--json", ...pace];
  const { code, stdout, stderr } = await start(...args);
  t.is(code, 0, `${stderr}${stdout}`);
  // Programs that start together, and stop together: that is no warning.
  t.notRegex(stderr, /cannot connect|link ended/);
  const { ends, links, relay, controller, applications, mismatches } = JSON.parse(stdout);
  t.deepEqual(Object.keys(ends), ["alice", "bob"]);
  t.deepEqual(links.map(Object.keys), [
    ["alice", "bob"],
    ["bob", "carol"],
  ]);
  t.deepEqual(links[0], ends);
  for (const end of links.flatMap(Object.values)) {
    t.true(end.confirmed >= 20 && end.km.received >= 20);
    t.is(end.km.aborted, 0);
  }
  t.deepEqual(relay.ends, ["alice", "carol"]);
  // Two hops, each under a pad of its length and that of its tag.
  t.true(relay.relays > 0 && relay.bits >= relay.relays * 512);
  t.is(relay.pad_bits, 2 * (relay.bits + 256 * relay.relays));
  const route = ["alice", "bob", "carol"];
  t.deepEqual(controller, { kms: 3, attached: 3, route, verdict: "ready" });
  // A busy machine answers some too late.
  t.true(applications.keys > 0);
  t.is(applications.different, 0);
  t.is(mismatches, 0);
});

/** Connects with what the file says, and reports. */
async function asSpareKm(
  t: ExecutionContext,
  controller: NonNullable<Endpoints["controller"]>,
  binding: "tcp" | "grpc",
): Promise<void> {
  const { ca, km_id: sourceKm, km_cert: cert, km_key: key } = controller;
  const { host, port } = controller[`ck_${binding}`];
  const [authority, own, secret] = [ca, cert, key].map((file) => readFileSync(file, "utf8"));
  const tls = { ca: authority ?? "", cert: own ?? "", key: secret ?? "" };
  const end = new KmEnd();
  const report = () => ({ type: "report", sourceKm, at: Date.now() }) as const;
  const link = new CkLink({
    name: "demo",
    host,
    port,
    serverName: host,
    binding,
    tls: () => tls,
    report,
    handlers: end.handlers,
    log: silentLog,
  });
  link.start();
  try {
    await eventually(`a session over ${binding}`, () => end.sessions.length, { is: 1 });
    const { message } = await end.session.request(report());
    t.like(message, { type: "reportResponse", response: "success" });
  } finally {
    await link.stop();
  }
}

testWhole.serial(
  "--endpoints tells others where to ask, and Ctrl-C leaves nothing behind",
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-endpoints-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const temporary = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
    t.teardown(() => rmSync(temporary, { recursive: true }));
    const file = join(folder, "endpoints.json");
    const child = spawn(process.execPath, [demo, "--seed", "1", "--endpoints", file], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: temporary },
    });
    const ended = once(child, "close");
    t.teardown(() => child.kill("SIGKILL"));
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    const { kms, saes, controller } = await eventually("the file", () =>
      JSON.parse(readFileSync(file, "utf8")),
    );
    t.deepEqual(readdirSync(folder), ["endpoints.json"]);
    const ask = async (sae: string, path: string) => {
      const { km, cert, key, sae_id } = saes[sae];
      t.is(sae_id, sae);
      const files = { ca: kms[km].ca, cert, key };
      const { body } = await askKm(`${kms[km].url}/api/v1/keys/${path}`, files);
      return heldKeys({ status: 0, headers: {}, body });
    };
    // Over the fibre of the two, and relayed.
    for (const other of ["app-b2", "app-c2"]) {
      const [given] = await ask(other, "app-a2/enc_keys");
      t.is(given?.bits, 256);
      t.deepEqual(await ask("app-a2", `${other}/dec_keys?key_ID=${given?.id}`), [given as HeldKey]);
    }
    t.deepEqual(Object.keys(saes), ["app-a", "app-a2", "app-b", "app-b2", "app-c", "app-c2"]);
    // The same end over SKIP.
    const { psk_identity: identity, psk_file: pskFile, ...at } = kms.c.skip;
    const router = new SkipClient({ ...at, identity, pskFile });
    t.teardown(() => router.close());
    t.is((await router.ask("/capabilities")).body.localSystemID, "app-c");
    // A KM of one's own may connect to the controller, over either binding.
    for (const binding of ["tcp", "grpc"] as const) await asSpareKm(t, controller, binding);
    t.regex(said, /the map of the controller: http:\/\/127\.0\.0\.1:\d+\//);
    // The same by a command that anybody can paste.
    const line = await eventually("the line", () => /^curl .*enc_keys$/m.exec(said)?.[0]);
    const { stdout } = await promisify(exec)(`${line} --silent`);
    t.is(heldKeys({ status: 0, headers: {}, body: JSON.parse(stdout) }).length, 1);
    // No process, device or folder.
    t.is(readdirSync(temporary).length, 1);
    child.kill("SIGINT");
    t.deepEqual(await ended, [0, null]);
    t.deepEqual(readdirSync(temporary), []);
  },
);

testWhole.serial("--network runs the key managers of a file and their controller", async (t) => {
  const temporary = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
  t.teardown(() => rmSync(temporary, { recursive: true }));
  const file = join(temporary, "three.toml");
  writeFileSync(
    file,
    `[node.a]\n[node.b]\n[node.c]
[link.ab]\nbetween = ["a", "b"]\nlength_km = 10
[link.bc]\nbetween = ["b", "c"]\nlength_km = 40
[pair.ac]\nbetween = ["a", "c"]\n`,
  );
  const child = spawn(process.execPath, [demo, "--network", file], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TMPDIR: temporary },
  });
  const ended = once(child, "close");
  t.teardown(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const served = await eventually("the map", () => /map of the controller: (\S+)/.exec(said)?.[1]);
  await eventually("the whole network", () => said, {
    matches: /3 of 3 KMs, 2 of 2 links good, 1 of 1 pairs with a route, [1-9]\d* QKD-keys, ready/,
  });
  t.is((await fetch(served ?? "")).status, 200);
  child.kill("SIGINT");
  t.deepEqual(await ended, [0, null]);
  t.deepEqual(readdirSync(temporary), ["three.toml"]);
});

/** The demo on a terminal: what is on the screen now, and a keyboard. */
async function onTerminal(
  t: ExecutionContext,
  args: readonly string[],
  body: (see: (pattern: RegExp) => Promise<string>, press: (key: string) => void) => Promise<void>,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
  let screen = "";
  let rest = "";
  const pty = new Pty((chunk) => {
    // What is below a picture is wiped at its end.
    const pictures = (rest + chunk.toString("utf8")).split("\u001b[J");
    rest = pictures.pop() ?? "";
    // biome-ignore lint/suspicious/noControlCharactersInRegex: sequences of a terminal begin with one
    screen = (pictures.at(-1) ?? screen).replaceAll(/\u001b\[\d*[AK]/g, "");
  });
  const terminal = openSync(pty.path, "r+");
  const child = spawn(process.execPath, [demo, ...args], {
    stdio: [terminal, "pipe", terminal],
    env: { ...process.env, TMPDIR: folder, NO_COLOR: "1", TERM: "xterm", LC_ALL: "C.UTF-8" },
  });
  const ended = once(child, "close");
  const see = (pattern: RegExp) => eventually("the screen", () => screen, { matches: pattern });
  try {
    await body(see, (key) => pty.write(Buffer.from(key)));
    pty.write(Buffer.from("\u0003"));
    const [code] = await ended;
    t.deepEqual(readdirSync(folder), []);
    return code;
  } finally {
    child.kill("SIGKILL");
    closeSync(terminal);
    pty.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

testWhole.serial("on a terminal it is calm at first, and its keys do what they say", async (t) => {
  const code = await onTerminal(t, [], async (see, press) => {
    const first = await see(/compared [1-9]\d*, differing 0/);
    t.regex(first, /no alarms/);
    t.regex(first, /\[f\] cut the fibre +\[e\] eavesdrop +\[k\] kill Bob's KM/);
    t.true(first.split(/\r?\n/).every((line) => line.length <= 80));
    const next = await see(/open http:\/\/127\.0\.0\.1:\d+\//);
    t.regex(next, /scripts\/qkd-km status --config (\\\s+)?\S+alice\.toml/);
    t.regex(
      next,
      /scripts\/manager watch --url mqtts:\/\/127\.0\.0\.1:\d+ --ca (\\\s+)?\S+ca\.crt/,
    );
    t.regex(next, /open http:\/\/127\.0\.0\.1:\d+\/ +# the controller's map/);
    await see(/controller +3 of 3 KMs, route Alice–Bob–Carol: ready/);
    press("e");
    await see(/Somebody measures 40 %[\s\S]*\[e\] stop eavesdropping/);
    t.notRegex(await see(/critical (alice|bob) qber_high\.to-(bob|alice)/), /no alarms/);
    press("e");
    await see(/The eavesdropper is gone/);
    press("k");
    await see(/Bob's KM was killed[\s\S]*\[k\] start Bob's KM/);
    await see(/stock Alice–Bob +Bob's KM is not running/);
    press("n");
    await see(/Bob's node was killed[\s\S]*\[n\] start Bob's node/);
    await see(/node +online +stopped +stopped +online/);
    // What Bob's node told last holds no longer.
    await see(/link +ACTIVE +– +– +ACTIVE/);
    press("n");
    press("k");
    await see(/\[n\] kill Bob's node/);
    press("k");
    await see(/Bob's KM is back/);
    press("u");
    await see(/The cable to Alice's module is out/);
    press("u");
    await see(/The cable is back/);
    press("f");
    await see(/The fibre of Alice and Bob is cut/);
    press("f");
    await see(/The fibre of Alice and Bob is mended/);
    await see(/node +online +online +online +online/);
    await see(/apps get keys +Alice [1-9]\d* equal, [\d.]+ ms; Carol [1-9]\d* equal/);
  });
  t.is(code, 0);
});

for (const how of [[], ["--https"]]) {
  testWhole.serial(
    `somebody's own KM takes part with certificates made by one command ${how}`,
    async (t) => {
      const dir = mkdtempSync(join(tmpdir(), "qkd-demo-km-"));
      t.teardown(() => rmSync(dir, { recursive: true }));
      const made = spawn(process.execPath, [
        fileURLToPath(new URL("../../scripts/certificates.d/main.ts", import.meta.url)),
        dir,
      ]);
      t.is((await once(made, "close"))[0], 0);
      const read = (name: string) => readFileSync(join(dir, name));
      const security = { cert: read("km.crt"), key: read("km.key"), ca: read("ca.crt") };
      const km = new KeyManager({ security, binding: how.length > 0 ? "https" : "tcp" });
      const port = await km.listen();
      t.teardown(() => km.close());
      const at = ["--km", `127.0.0.1:${port}`, "--certificates", dir, ...how];
      const { code, stdout, stderr } = await start(...at, "--keys", "6", "--json", "--baud", "0");
      t.is(code, 0, stderr);
      const { ends, mismatches } = JSON.parse(stdout);
      t.is(mismatches, 0);
      t.true(ends.alice.confirmed >= 6 && ends.bob.confirmed >= 6);
      t.true(km.store.size >= 6);
      t.deepEqual(Object.keys(km.store.summary().modules), ["QKD-A-0001"]);
    },
  );
}

test.serial("a wrong command line is told and ends with 64", async (t) => {
  for (const args of [
    ["--seed", "x"],
    ["--replay"],
    ["--nonsense"],
    ["stray"],
    ["--km", "127.0.0.1:9443"],
    ["--km", "nowhere", "--certificates", "/tmp"],
    ["--https"],
    ["--network", "nowhere"],
    ["--network", "tokyo", "--keys", "3"],
    ["--km", "127.0.0.1:9443", "--certificates", "/nonexistent"],
  ]) {
    const { code, stdout, stderr } = await start(...args);
    t.is(code, 64);
    t.is(stdout, "");
    t.regex(stderr, /^npm start: .+/);
  }
});

test.serial("a recording that is not there is told, and nothing is started", async (t) => {
  const { code, stderr } = await start("--replay", "/nonexistent", "--json");
  t.is(code, 1);
  t.regex(stderr, /no such recording/);
});
