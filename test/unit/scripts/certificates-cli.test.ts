/** `scripts/certificates`, and `npm run conform:km` with what it made, as somebody types them. */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { KeyManager } from "../../emulator/km/index.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, program), ...args], (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

const certificates = (...args: string[]) => run("scripts/certificates.d/main.ts", ...args);
const conform = (...args: string[]) => run("scripts/conform/km.ts", ...args);

function folder(t: ExecutionContext): string {
  const made = mkdtempSync(join(tmpdir(), "qkd-certificates-"));
  t.teardown(() => rmSync(made, { recursive: true }));
  return join(made, "certs");
}

test("it makes a CA, nodes and KMs with their names, and keys that their owner alone can read", async (t) => {
  const dir = folder(t);
  const made = await certificates(
    dir,
    "--km",
    "km.example,192.0.2.7,2001:db8::7",
    "--node",
    "node-a",
  );
  t.is(made.code, 0, made.stderr);
  t.true(made.stdout.split("\n").every((line) => line.length <= 120));
  const read = (name: string) => new X509Certificate(readFileSync(join(dir, name)));
  const ca = read("ca.crt");
  for (const name of ["km.example.crt", "node-a.crt"]) {
    t.true(read(name).verify(ca.publicKey));
    t.deepEqual(read(name).keyUsage?.toSorted(), ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  }
  const km = read("km.example.crt");
  t.is(km.checkHost("km.example"), "km.example");
  t.is(km.checkIP("192.0.2.7"), "192.0.2.7");
  t.is(km.checkIP("2001:db8::7"), "2001:db8::7");
  for (const name of ["ca.key", "km.example.key", "node-a.key"]) {
    t.is(statSync(join(dir, name)).mode & 0o777, 0o600);
  }
  t.is(statSync(dir).mode & 0o777, 0o700);
});

test("run again it keeps what is there, adds what is new by the same CA, and renews when told", async (t) => {
  const dir = folder(t);
  const text = (name: string) => readFileSync(join(dir, name), "utf8");
  t.is((await certificates(dir)).code, 0);
  const [ca = "", km = "", key = ""] = ["ca.crt", "km.crt", "km.key"].map(text);
  const more = await certificates(dir, "--km", "km", "--km", "km-b", "--json");
  const told = JSON.parse(more.stdout);
  t.deepEqual(
    told.kms.map((one: { name: string; outcome: string }) => [one.name, one.outcome]),
    [
      ["km", "kept"],
      ["km-b", "made"],
    ],
  );
  t.deepEqual(["ca.crt", "km.crt", "km.key"].map(text), [ca, km, key]);
  t.true(new X509Certificate(text("km-b.crt")).verify(new X509Certificate(ca).publicKey));
  t.is((await certificates(dir, "--renew")).code, 0);
  t.is(text("ca.crt"), ca);
  t.not(text("km.crt"), km);
  t.is(statSync(join(dir, "km.key")).mode & 0o777, 0o600);
});

test("what it cannot do it says in a line", async (t) => {
  const dir = folder(t);
  for (const args of [
    [],
    [dir, "--km", "../km"],
    [dir, "--km", "a b"],
    [dir, "--node", "ca"],
    [dir, "--node", "x", "--km", "x"],
    [dir, "--days", "0"],
    [dir, "more"],
  ]) {
    const { code, stderr } = await certificates(...args);
    t.is(code, 64, args.join(" "));
    t.regex(stderr, /^certificates: .+\n$/);
  }
  await certificates(dir);
  writeFileSync(join(dir, "ca.key"), "nonsense");
  const { code, stderr } = await certificates(dir, "--km", "other");
  t.is(code, 73);
  t.regex(stderr, /ca\.crt and .*ca\.key cannot be used/);
});

for (const binding of ["tcp", "https"] as const) {
  test(`the suite for KMs takes them as they are, over ${binding}, and its report is one object`, async (t) => {
    const dir = folder(t);
    await certificates(dir);
    const file = (name: string) => readFileSync(join(dir, name));
    const security = { cert: file("km.crt"), key: file("km.key"), ca: file("ca.crt") };
    const km = new KeyManager({ security, binding });
    const port = await km.listen();
    t.teardown(() => km.close());
    const at = ["--km", `127.0.0.1:${port}`, "--certificates", dir];
    const how = binding === "https" ? ["--https"] : [];
    const some = ["supply", "tls", "repeat", "restart-kept"].flatMap((id) => ["--only", id]);
    const { code, stdout } = await conform(...at, ...how, ...some, "--restart", "true", "--json");
    t.is(code, 0);
    t.like(JSON.parse(stdout), { passed: 4, failed: 0, noted: 0, skipped: 0 });
    const failed = await conform(...at, ...how, "--only", "restart-kept", "--restart", "exit 3");
    t.is(failed.code, 1);
    t.regex(failed.stdout, /^FAIL .*\n.*→ the command of --restart ended with exit code 3/m);
    const strange = await conform(...at, ...how, "--server-name", "elsewhere");
    t.is(strange.code, 69);
    t.regex(strange.stderr, /another name: --server-name/);
  });
}

test("a KM that is not there, and a command line that cannot be followed, are one line", async (t) => {
  const { code, stderr } = await conform("--km", "127.0.0.1:1", "--plain");
  t.is(code, 69);
  t.regex(stderr, /ECONNREFUSED: nothing listens there/);
  for (const args of [
    [],
    ["--km", "x"],
    ["--km", "h:1"],
    ["--km", "h:1", "--plain", "--ca", "x"],
  ]) {
    const wrong = await conform(...args);
    t.is(wrong.code, 64, args.join(" "));
    t.regex(wrong.stderr, /^conform:km: .+\n$/);
  }
  t.is((await conform("--km", "h:1", "--certificates", "/nonexistent")).code, 66);
  t.regex((await conform("--list")).stdout, /^restart-middle +must/m);
});
