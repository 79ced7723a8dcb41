import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import test, { type ExecutionContext } from "ava";
import { createAuthority, writeAuthority, writeIdentity } from "../../emulator/certificates.ts";
import { RawClient, supplyPayload, testId, testKey } from "../../emulator/km/raw-client.ts";

const program = new URL("../../../scripts/km", import.meta.url).pathname;

/** Runs `scripts/km` without the test runner's own Node options. */
function start(t: ExecutionContext, args: readonly string[]) {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  t.teardown(() => child.kill("SIGKILL"));
  return child;
}

async function finish(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, "exit");
  return code;
}

/** The port that the program says it listens on. */
async function port(child: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: child.stderr! })) {
    const found = / port (\d+) /.exec(line)?.[1];
    if (found !== undefined) return Number(found);
  }
  throw new Error("it never listened");
}

async function complaint(t: ExecutionContext, args: readonly string[]) {
  const child = start(t, args);
  const [stderr, code] = await Promise.all([text(child.stderr), finish(child)]);
  return { code, stderr };
}

test("a command line that can't be followed is one clear line and exit code 64", async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /--port is needed/],
    [["--port", "70000", "--plain"], /--port must be an integer, 0 to 65535/],
    [["--port", "0", "--cert", "x"], /--cert, --key and --ca are all needed/],
    [["--port", "0", "--plain", "--ca", "x"], /--plain goes without/],
    [["--port", "0", "--plain", "--count", "0"], /--count must be/],
    [["--port", "0", "--plain", "--modules", "a,,b"], /--modules must be/],
    [["--nonsense"], /--nonsense/],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await complaint(t, args);
    t.is(code, 64, args.join(" "));
    t.regex(stderr, expected);
    t.is(stderr.trim().split("\n").length, 1);
  }
});

test("a file that is not there is exit code 66, and help is 0", async (t) => {
  const files = ["--cert", "/nowhere/a", "--key", "/nowhere/b", "--ca", "/nowhere/c"];
  const { code, stderr } = await complaint(t, ["--port", "0", ...files]);
  t.is(code, 66);
  t.regex(stderr, /\/nowhere\/a/);
  const help = start(t, ["--help"]);
  const [stdout, helpCode] = await Promise.all([text(help.stdout), finish(help)]);
  t.is(helpCode, 0);
  t.regex(stdout, /^Usage: scripts\/km/);
});

test("it lists the keys that come over TLS, and ends once it has as many as wanted", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "km-"));
  t.teardown(() => rm(directory, { recursive: true }));
  const authority = await createAuthority("Test authority");
  const node = await authority.issue({ commonName: "alice-1", usage: "client" });
  const km = await authority.issue({ commonName: "km", ip: ["127.0.0.1"], usage: "server" });
  const files = await writeIdentity(directory, "km", km);
  const ca = await writeAuthority(directory, "ca", authority);

  const args = ["--port", "0", "--cert", files.cert, "--key", files.key, "--ca", ca];
  const child = start(t, [...args, "--modules", "alice-1", "--count", "2", "--json"]);
  const stdout = text(child.stdout);
  const exit = finish(child);
  const client = RawClient.tls(await port(child), { ...node, ca: authority.cert });
  t.teardown(() => client.close());
  t.is(await client.supply(1, supplyPayload(1, { extension: [{ qber: 0.03 }] })), "success");
  t.is(await client.supply(2, supplyPayload(2, { qkd_module_ID: "eve" })), "unknown_module");
  t.is(await client.supply(3, supplyPayload(2)), "success");
  t.is(await exit, 0);
  const lines = (await stdout).trim().split("\n");
  t.like(
    lines.map((line) => JSON.parse(line)),
    [
      { event: "stored", key_ID: testId(1), bits: 256, module: "alice-1", qber: 0.03 },
      { event: "stored", key_ID: testId(2) },
      { event: "summary", keys: 2, bits: 512, refused: { unknown_module: 1 } },
    ],
  );
  for (const n of [1, 2]) {
    for (const encoding of ["base64", "hex", "latin1"] as const) {
      t.false(lines.join("\n").includes(testKey(n).toString(encoding)));
    }
  }
});

test("it ends with a summary when it is told to stop", async (t) => {
  const child = start(t, ["--port", "0", "--plain"]);
  const stdout = text(child.stdout);
  const exit = finish(child);
  const client = await RawClient.plain(await port(child));
  t.teardown(() => client.close());
  t.is(await client.supply(1, supplyPayload(1, { qkd_module_ID: "a\nb" })), "success");
  child.kill("SIGTERM");
  t.is(await exit, 0);
  const [key, summary, ...more] = (await stdout).trim().split("\n");
  t.is(key, `${testId(1)}  256 bit  "a\\nb"  QBER unknown`);
  t.is(summary, "1 keys, 256 bit, 0 repeats, 0 handshakes refused");
  t.deepEqual(more, []);
});
