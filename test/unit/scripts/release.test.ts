/** `scripts/release`: its numbers and texts, and a small release made and checked by programs that are not ours. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import test from "ava";
import {
  numbered,
  sectionOf,
  versionForm,
  withVersion,
} from "../../../scripts/release.d/changelog.ts";
import { readWeaknesses, vex } from "../../../scripts/release.d/vex.ts";
import { softwareVersion } from "../../../src/base/version.ts";
import { testWith } from "../../needs.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const tool = join(root, "scripts/release.d/main.ts");
const read = (name: string) => readFileSync(join(root, name), "utf8");

test("what was not released yet becomes the version's, once", (t) => {
  const before =
    "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- This.\n\n## [0.1.0] - 2026-01-01\n\n- That.\n";
  const after = numbered(before, "0.2.0", "2026-11-28") ?? "";
  t.is(sectionOf(after, "0.2.0"), "### Added\n\n- This.\n");
  t.is(sectionOf(after, "0.1.0"), "- That.\n");
  t.is(sectionOf(after, "Unreleased")?.trim(), "");
  t.is(numbered(after, "0.3.0", "2026-11-29"), undefined, "nothing is left to be released");
  t.is(numbered(before, "0.1.0", "2026-11-29"), undefined);
  t.is(sectionOf(before, "9.9.9"), undefined);
  t.not(numbered(read("CHANGELOG.md"), "9.9.9", "2026-11-28"), undefined, "the project's own");
});

test("the number is in each file that has it, and in no other place of it", (t) => {
  for (const name of ["package.json", "src/base/version.ts"]) {
    const [before, after] = [read(name), withVersion(read(name), "9.9.9")];
    t.is(after.replace("9.9.9", softwareVersion), before, name);
    t.regex(after, /"9\.9\.9"/, name);
  }
  const lock = JSON.parse(read("package-lock.json"));
  t.deepEqual([lock.version, lock.packages[""].version], [softwareVersion, softwareVersion]);
  for (const good of ["1.0.0", "0.12.3", "1.0.0-rc.1"]) t.regex(good, versionForm);
  for (const bad of ["1.0", "v1.0.0", "01.0.0", "1.0.0+1", "1.0.0 "]) t.notRegex(bad, versionForm);
});

test("a weakness that was judged is CycloneDX' VEX, and the project's own list can be read", async (t) => {
  const entry = `[[weakness]]
id = "CVE-2026-0001"
also = ["GHSA-aaaa-bbbb-cccc"]
part = "busybox"
version = "1:1.35.0-4"
state = "not_affected"
justification = "code_not_reachable"
detail = "no link leads to it"
`;
  const text = vex(readWeaknesses(entry), "1.0.0");
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
  t.is(await validator.validate(text), null);
  t.is(JSON.parse(text).vulnerabilities[0].analysis.justification, "code_not_reachable");
  t.is(
    await validator.validate(vex(readWeaknesses(read("security/weaknesses.toml")), "1.0.0")),
    null,
  );
  t.throws(() => readWeaknesses(entry.replace(/justification.*\n/, "")), {
    message: /needs a justification/,
  });
  t.throws(() => readWeaknesses(entry.replace("not_affected", "fine")), {
    message: /weakness\.0\.state/,
  });
});

const run = (...args: string[]) =>
  spawnSync(process.execPath, [tool, ...args], { cwd: root, encoding: "utf8" });

test("what cannot be is said, and nothing is made", (t) => {
  for (const args of [
    ["make", "--only", "all"],
    ["make", "--board", "abacus"],
    ["number", "1"],
    [],
  ]) {
    t.is(run(...args).status, 64, args.join(" "));
  }
});

testWith("openssl", "a release is checked by sha256sum and openssl alone", (t, openssl) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-release-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const keys = join(folder, "keys");
  mkdirSync(keys);
  const ssl = (...args: string[]) =>
    execFileSync(openssl, args, { cwd: keys, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout"];
  ssl("req", "-x509", ...ec, "update-ca.key", "-subj", "/CN=CA", "-out", "update-ca.crt");
  ssl("req", ...ec, "update.key", "-subj", "/CN=Release", "-out", "update.csr");
  const ca = ["-CA", "update-ca.crt", "-CAkey", "update-ca.key"];
  ssl("x509", "-req", "-in", "update.csr", ...ca, "-out", "update.crt");
  for (const kind of ["key", "crt"]) {
    copyFileSync(join(keys, `update-ca.${kind}`), join(keys, `boot.${kind}`));
  }
  const out = join(folder, "out");
  mkdirSync(out);
  writeFileSync(join(out, "before"), "");
  const make = ["make", "--only", "vex", "--unclean", "--keys", keys, "--out"];
  const emptied = run(...make, folder);
  t.is(emptied.status, 1);
  t.regex(emptied.stderr, /^release: --out .* would be emptied, and .*keys is needed/);
  for (const [file, other, why] of [
    ["update.key", "update-ca.key", /update\.key is not the key of .*update\.crt: a release/],
    ["update-ca.crt", "other.crt", /update\.crt is not good by .*update-ca\.crt: a release/],
  ] as const) {
    ssl("req", "-x509", ...ec, "other.key", "-subj", "/CN=CA", "-out", "other.crt");
    copyFileSync(join(keys, file), join(folder, file));
    copyFileSync(join(keys, other), join(keys, file));
    const refused = run(...make, out);
    t.is(refused.status, 1, file);
    t.regex(refused.stderr, why);
    t.deepEqual(readdirSync(out), ["before"], "nothing is made or emptied");
    copyFileSync(join(folder, file), join(keys, file));
  }
  const made = run("make", "--only", "vex", "--unclean", "--verify", "--keys", keys, "--out", out);
  t.is(made.status, 0, made.stderr);
  t.notRegex(made.stdout, /development/);
  execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: out });
  const at = (name: string) => join(out, name);
  t.regex(ssl("verify", "-CAfile", "update-ca.crt", at("release.crt")), /: OK/);
  ssl("x509", "-in", at("release.crt"), "-noout", "-pubkey", "-out", "release.pub");
  const signed = ["-verify", "release.pub", "-signature", at("SHA256SUMS.sig"), at("SHA256SUMS")];
  t.regex(ssl("dgst", "-sha256", ...signed), /Verified OK/);
  const vexFile = `qkd-node-${softwareVersion}.vex.cdx.json`;
  const told = ["SHA256SUMS", "SHA256SUMS.sig", "provenance.intoto.json", vexFile, "release.crt"];
  t.deepEqual(readdirSync(out).sort(), told);
  const statement = JSON.parse(readFileSync(at("provenance.intoto.json"), "utf8"));
  t.is(statement._type, "https://in-toto.io/Statement/v1");
  t.is(statement.subject.length, 1);
  const { resolvedDependencies, externalParameters } = statement.predicate.buildDefinition;
  t.regex(resolvedDependencies[0].digest.gitCommit, /^[0-9a-f]{40}$/);
  t.deepEqual(externalParameters.parts, ["vex"]);
  const digest = execFileSync("sha256sum", [at(vexFile)], { encoding: "utf8" }).slice(0, 64);
  t.is(statement.subject[0].digest.sha256, digest);
});
