import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { parse } from "smol-toml";
import { tomlLines } from "../../../../src/host/config/toml.ts";
import { withholdSecrets } from "../../../../src/ops/bundle/guard.ts";
import { scrub } from "../../../../src/ops/bundle/scrub.ts";
import { tar } from "../../../../src/ops/bundle/tar.ts";
import { telemetryCsv } from "../../../../src/ops/bundle/telemetry-csv.ts";
import { TelemetryHistory } from "../../../../src/ops/history/history.ts";
import { pastTelemetry } from "../../../../src/ops/history/past.ts";
import { keepBundle } from "../../../../src/ops/support/keep-bundle.ts";
import { writings } from "../../../rig/writings.ts";

test("an archive is one that tar takes, whatever the lengths", (t) => {
  const members = [0, 1, 511, 512, 513, 2_000].map((length) => ({
    name: `f/${length}.txt`,
    bytes: Buffer.alloc(length, 0x61),
  }));
  const folder = mkdtempSync(join(tmpdir(), "qkd-tar-"));
  const file = join(folder, "x.tar");
  writeFileSync(file, tar(members, 1_800_000_000));
  const { status, stdout, stderr } = spawnSync("tar", ["-tvf", file], { encoding: "utf8" });
  t.is(status, 0, stderr);
  t.is(stderr, "");
  t.regex(stdout, /^-rw------- root\/root +0 2027-01-15 [\d:]+ f\/0\.txt$/m);
  t.regex(stdout, / 2000 2027-01-15 [\d:]+ f\/2000\.txt$/m);
  for (const name of ["", "/etc/x", "../x", "a/../b", "x".repeat(101), "ä"]) {
    t.throws(() => tar([{ name, bytes: Buffer.alloc(0) }], 0), { instanceOf: RangeError }, name);
  }
  rmSync(folder, { recursive: true });
});

test("what looks like a secret is taken out of a log, and what does not stays", (t) => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 89 + 41) % 256));
  const written = writings(Buffer.concat([key, key, key, key]));
  // A log is text: raw bytes are the first of every seven.
  for (const text of written.filter((_, i) => i % 7 !== 0)) {
    t.false(scrub(`level=info msg="x" key=${text} more=1`).includes(text.toString()), String(text));
  }
  t.is(scrub("url=mqtts://user:hunter2@host:1"), "url=mqtts://(not shown)@host:1");
  t.is(scrub('password = "hunter2" x'), "password = (not shown) x");
  for (const password of ["hun/ter2", "hunt@er2", "h:u/n@ter2"]) {
    t.is(scrub(`url=mqtts://user:${password}@host:1`), "url=mqtts://(not shown)@host:1", password);
  }
  for (const name of [
    "db_password",
    "PGPASSWORD",
    "user-token",
    "client_secret",
    "hsm.pin",
    "wg_psk",
  ]) {
    t.is(scrub(`a ${name}=hunter2 x`), `a ${name}=(not shown) x`);
  }
  t.is(
    scrub("a\n-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\nb"),
    "a\n(not shown)\nb",
  );
  for (const plain of [
    'ts=2026-11-21T08:29:38.437Z level=info at=node.alice msg="KM connected" km=127.0.0.1:36129',
    "key_ID=5719bdfa-e8ae-8aa1-9c77-0123456789ab block=00112233aabbccdd:17",
    "path=/dev/serial/by-id/usb-QKD_module_A-0001-if00-port0",
    "file=/var/lib/qkd-node/support/node-a-20260131T120000Z.tar.gz",
    "reason=ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "alarm=certificate_expiring.km.main severity=warning",
    "bypass=yes spin=3 url=https://km.example:9443/api/v1/keys",
  ]) {
    t.is(scrub(plain), plain);
  }
});

test("a member that holds a secret stays behind, in whatever way it is written", (t) => {
  const password = Buffer.from("correct horse battery");
  const der = Buffer.from(Array.from({ length: 138 }, (_, i) => (i * 57 + 13) % 256));
  const pem = `-----BEGIN PRIVATE KEY-----\n${der.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`;
  const spool = Buffer.from(Array.from({ length: 32 }, (_, i) => (i * 91 + 200) % 256));
  const secrets = [
    { name: "manager.password_file", content: Buffer.concat([password, Buffer.from("\n")]) },
    { name: "km.main.key", content: Buffer.from(pem) },
    { name: "module.spool.key", content: spool },
    { name: "web.password_file", content: Buffer.from("\ufeffzwölf Zeichen\r\n") },
    { name: "short", content: Buffer.from("ab\n") },
    { name: "bytes", content: Buffer.from([0, 1, 2]) },
    { name: "empty", content: Buffer.alloc(0) },
  ];
  const held = (bytes: Buffer) =>
    withholdSecrets([{ name: "log.txt", bytes }], secrets)[0]?.bytes.toString();
  for (const bytes of [
    password,
    Buffer.from("zwölf Zeichen"),
    Buffer.from(password.toString("hex")),
    Buffer.from(password.toString("base64")),
    der,
    Buffer.from(pem.replaceAll("\n", "")),
    Buffer.from(der.toString("hex").toUpperCase()),
    Buffer.from(der.toString("base64url")),
    Buffer.from(spool.toString("hex")),
    Buffer.from([...der].join(", ")),
  ]) {
    const around = Buffer.concat([Buffer.from("before "), bytes, Buffer.from(" after")]);
    t.regex(
      held(around) ?? "",
      /^withheld: it holds the secret of ((?:manager|web)\.password_file|km\.main\.key|module\.spool\.key)\n$/,
    );
  }
  t.is(held(Buffer.from("about nothing")), "about nothing");
});

test("a bundle that a node makes is kept with its state, the newest three", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-keep-"));
  for (let day = 1; day <= 5; day++) {
    const name = `node-2026010${day}T000000Z.tar.gz`;
    const bundle = { id: "node", name, archive: Buffer.from("x"), members: [] };
    t.is(await keepBundle(folder, bundle), `${folder}/support/${name}`);
  }
  const kept = readdirSync(join(folder, "support")).sort();
  t.deepEqual(
    kept,
    [3, 4, 5].map((day) => `node-2026010${day}T000000Z.tar.gz`),
  );
  rmSync(folder, { recursive: true });
});

test("figures of the past become rows, at the times of the wall clock", (t) => {
  const history = new TelemetryHistory(["qber", "never"]);
  history.add({ qber: 0.02 }, 100_000);
  history.add({ qber: 0.04 }, 101_000);
  const parts = pastTelemetry(history, 125_000, Date.parse("2026-01-31T12:00:25Z"));
  const files = telemetryCsv({ module: "alice", parts });
  t.deepEqual(
    files.map(([name]) => name),
    ["telemetry/alice-hour.csv", "telemetry/alice-day.csv"],
  );
  t.is(
    files[0]?.[1],
    "time,qber_mean,qber_min,qber_max\n2026-01-31T12:00:00.000Z,0.03,0.02,0.04\n",
  );
  t.deepEqual(telemetryCsv({ module: "x", parts: pastTelemetry(undefined, 0, 0) }), []);
});

test("a table is printed as the TOML that it came from", (t) => {
  const table = {
    node: { id: 'a"\\b', list: [1, 2], on: true },
    km: { main: { port: 1 }, other: { port: 2 } },
    manager: { url: "x", command_key: [{ id: "noc" }, { id: "field" }] },
    module: [
      { name: "alice", driver: { kind: "qmlp" } },
      { name: "bob", driver: { kind: "x" } },
    ],
  };
  t.deepEqual(parse(tomlLines(table).join("\n")), table);
});

test("a table's text cannot steer a terminal, and what is no table is nothing", (t) => {
  t.deepEqual(tomlLines({ "a\u202eb": "\u001b[2J\u009b\u2066" }), ['"a·b" = "\\u001b[2J··"']);
  t.deepEqual(tomlLines(undefined), []);
});
