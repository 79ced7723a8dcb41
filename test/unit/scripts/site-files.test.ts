/** `scripts/site` where it is broken off, where the disk is full, and where what it is given is none. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { testWith } from "../../needs.ts";

const tool = fileURLToPath(new URL("../../../scripts/site.d/main.ts", import.meta.url));
const draft = [
  "--module",
  "A",
  "--matching",
  "B",
  "--path",
  "/dev/x",
  "--peer",
  "qkd-ba9876543210@b",
];

function box(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-site-files-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** @param limit of the shell, such as one under which no file gets a byte */
function site(args: readonly string[], limit = ":") {
  const line = ["-c", `${limit}; exec "$@"`, "sh", process.execPath, tool, ...args];
  const { status, stdout, stderr } = spawnSync("sh", line, { encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

testWith("openssl", "a full disk leaves nothing that is taken for a file", (t, openssl) => {
  const folder = box(t);
  const at = (name: string) => join(folder, name);
  mkdirSync(at("stick"));
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
  const request = [
    "req",
    ...ec,
    "-subj",
    "/CN=app-a",
    "-keyout",
    at("app.key"),
    "-out",
    at("app.csr"),
  ];
  execFileSync(openssl, request, { stdio: "pipe" });
  writeFileSync(at("stick/qkd-0123456789ab.csr"), readFileSync(at("app.csr")));
  const commands: readonly (readonly [args: string[], makes: string[]])[] = [
    [
      ["keygen", at("ops")],
      ["ops.key", "ops.pub"],
    ],
    [
      ["ca", at("ca")],
      ["ca/ca.key", "ca/ca.crt"],
    ],
    [
      ["draft", at("stick"), ...draft],
      ["stick/site/node.toml", "stick/site/km.toml"],
    ],
    [["certify", at("app.csr"), "--ca", at("ca")], ["app.crt"]],
    [
      ["sign", at("stick/site"), "--node", "qkd-0123456789ab", "--key", at("ops.key")],
      ["stick/site/manifest.json", "stick/site/manifest.sig"],
    ],
  ];
  for (const [args, makes] of commands) {
    const full = site(args, "ulimit -f 0");
    t.is(full.code, 1, args[0]);
    t.true(
      makes.some((name) => full.err.startsWith(`site: ${at(name)}: EFBIG`)),
      full.err,
    );
    for (const name of makes) t.false(existsSync(at(name)), name);
    const again = site(args);
    t.is(again.code, 0, again.err);
    for (const name of makes) t.true(statSync(at(name)).size > 0, name);
  }
  const left = readdirSync(folder, { recursive: true, encoding: "utf8" });
  t.deepEqual(
    left.filter((name) => name.endsWith(".new")),
    [],
  );
  for (const name of ["ops.key", "ca/ca.key"]) t.is(statSync(at(name)).mode & 0o777, 0o600, name);
});

test("an authority that was broken off between its two files is ended, and no other's key is put beside a certificate", (t) => {
  const folder = box(t);
  const [key, cert] = [join(folder, "ca.key"), join(folder, "ca.crt")];
  t.is(site(["ca", folder]).code, 0);
  const was = readFileSync(cert, "utf8");

  const both = site(["ca", folder]);
  t.is(both.code, 1);
  t.is(
    both.err,
    `site: ${folder}: ca.key and ca.crt are there already: they may be in use, and nothing is changed\n`,
  );
  renameSync(cert, `${cert}.new`);
  t.is(site(["ca", folder]).code, 0);
  t.is(readFileSync(cert, "utf8"), was);
  t.false(existsSync(`${cert}.new`));

  rmSync(cert);
  const alone = site(["ca", folder]);
  t.is(alone.code, 1);
  t.regex(
    alone.err,
    /ca\.key is there without its ca\.crt\. Bring that back, or move ca\.key away/,
  );
  t.false(existsSync(cert));

  writeFileSync(cert, was);
  rmSync(key);
  const offline = site(["ca", folder]);
  t.is(offline.code, 1);
  t.regex(offline.err, /ca\.crt is, without its ca\.key, there already/);
  t.deepEqual(readdirSync(folder), ["ca.crt"]);
  t.is(readFileSync(cert, "utf8"), was);
});

test("a signing key without its line gets it, and a line without its key no other key", (t) => {
  const file = join(box(t), "ops");
  t.is(site(["keygen", file]).code, 0);
  const line = readFileSync(`${file}.pub`, "utf8");
  rmSync(`${file}.pub`);
  const again = site(["keygen", file]);
  t.is(again.code, 0, again.err);
  t.is(again.out, `${file}.pub, of the ${file}.key that was there\n${line}`);
  t.is(readFileSync(`${file}.pub`, "utf8"), line);
  t.regex(site(["keygen", file]).err, /ops\.key is there already, and stays as it is/);

  rmSync(`${file}.key`);
  t.regex(site(["keygen", file]).err, /ops\.pub is there already, and stays as it is/);
  t.false(existsSync(`${file}.key`));
});

test("a key that is none, or cannot be read, is named", (t) => {
  const folder = box(t);
  const bad = join(folder, "bad.key");
  writeFileSync(bad, "none\n");
  writeFileSync(join(folder, "node.toml"), "");
  const sign = (key: string) => site(["sign", folder, "--node", "n", "--key", key]).err;
  t.is(sign(bad), `site: ${bad}: no private key in PEM without a password\n`);
  t.regex(sign(folder), new RegExp(`^site: ${folder}: EISDIR`));
  const verify = site(["verify", folder, "--keys", folder]);
  t.regex(verify.err, new RegExp(`^site: ${folder}: EISDIR`));
});
