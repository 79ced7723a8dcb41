/** Bills of materials: of the programs by esbuild's account, of an image by Debian's control files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "ava";
import type { Metafile } from "esbuild";
import {
  billOf,
  nodeComponent,
  withoutComponents,
  writeBill,
} from "../../../scripts/build/bill.ts";
import { readBoard } from "../../../scripts/image.d/board.ts";
import { assemble, licencesIn, readControl } from "../../../scripts/image.d/sbom.ts";
import { billProblems, partsOf } from "../../rig/bill-check.ts";

const node = nodeComponent({
  node: "24.21.0",
  openssl: "3.5.8",
  v8: "13.6.233.17-node.53",
  zlib: "1.3.2.1-motley-8002e91",
  undici: "7.29.1",
  modules: "137",
  nghttp3: "",
});

/** As esbuild tells of a bundle. @param lines `FILE bytes imports…` */
function account(...lines: readonly string[]): Pick<Metafile, "inputs" | "outputs"> {
  const entries = lines.map((line) => line.split(" "));
  const inputs = entries.map(([file = "", , ...imports]) => [
    file,
    { bytes: 1, imports: imports.map((path) => ({ path, kind: "import-statement" as const })) },
  ]);
  const written = entries.map(([file = "", bytes]) => [file, { bytesInOutput: Number(bytes) }]);
  const output = { bytes: 1, imports: [], exports: [], inputs: Object.fromEntries(written) };
  // One that a program loads by its file's name.
  const apart = { ...output, entryPoint: "node_modules/mqtt/a.js", inputs: {} };
  return { inputs: Object.fromEntries(inputs), outputs: { "a.cjs": output, "mqtt.cjs": apart } };
}

const programs = billOf(
  account(
    "src/bin/a.ts 10 node_modules/valibot/a.js",
    "node_modules/valibot/a.js 10",
    "node_modules/mqtt/a.js 10 node_modules/debug/a.js node_modules/ws/a.js",
    "node_modules/ws/a.js 10 node_modules/mqtt/a.js",
    "node_modules/debug/a.js 0 node_modules/ms/a.js",
    "node_modules/ms/a.js 0",
  ),
  ["node_modules/uplot", "node_modules/node-hid", "node_modules/@koromix/koffi-linux-x64"],
  node,
);

test("the programs' bill has what is in the bundle or beside it, and nothing else", async (t) => {
  const names = programs.components.map(({ name }) => name);
  const there = ["@koromix/koffi-linux-x64", "mqtt", "node", "node-hid", "uplot", "valibot", "ws"];
  t.deepEqual(names.toSorted(), there);
  const text = writeBill(programs);
  t.deepEqual(await billProblems(text), []);
  t.is(writeBill(programs), text);
  const hidapi = partsOf(JSON.parse(text)).find(({ name }) => name === "hidapi");
  t.regex(hidapi?.version ?? "", /^\d+\.\d+/);
  const arm64 = withoutComponents(programs, ({ name }) => name.endsWith("-x64"));
  t.deepEqual(await billProblems(writeBill(arm64)), []);
  t.is(arm64.components.length, programs.components.length - 1);
  t.throws(() => billOf(account("node_modules/nowhere/a.js 1"), [], node), {
    message: /nowhere is not in package-lock/,
  });
});

test("Node.js is told as scanners know it, with the parts that have weaknesses of their own", (t) => {
  t.is(node.purl, "pkg:generic/node@24.21.0");
  const purls = node.components?.map(({ purl }) => purl);
  t.deepEqual(purls, [
    "pkg:generic/openssl@3.5.8",
    "pkg:npm/undici@7.29.1",
    "pkg:generic/v8@13.6.233.17",
    "pkg:generic/zlib@1.3.2.1",
  ]);
  t.is(node.components?.[0]?.cpe, "cpe:2.3:a:openssl:openssl:3.5.8:*:*:*:*:*:*:*");
});

test("an image's bill has each Debian package with its source, licences and needs", async (t) => {
  const tree = mkdtempSync(join(tmpdir(), "qkd-bill-"));
  t.teardown(() => rmSync(tree, { recursive: true }));
  const copyright = join(tree, "usr/share/doc/libssl3/copyright");
  mkdirSync(dirname(copyright), { recursive: true });
  writeFileSync(
    copyright,
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Apache-2.0\n text\n\nFiles: a\nLicense: GPL-2+\n",
  );
  const facts = [
    "Package: libssl3\nSource: openssl\nVersion: 3.0.17-1~deb12u3\nDepends: libc6 (>= 2.34)\n",
    "Package: libc6\nSource: glibc (2.36-9+deb12u13)\nVersion: 2.36-9+deb12u13\nProvides: libc6-virtual (= 1)\n",
    "Package: tool\nVersion: 1:2-1\nPre-Depends: libc6-virtual\nDepends: debconf | cdebconf, gone, libssl3:any\n",
  ].map(readControl);
  const packages = facts.map(({ name, version }) => ({
    ...{ name, version, archive: "debian", file: "pool/x", size: 1 },
    sha256: "0".repeat(64),
  }));
  const lock = { date: "2026-11-21", release: "bookworm", packages };
  const parts = { version: "0.1.0", board: readBoard("qemu/virt"), tree, programs };
  const made = assemble(lock, facts, parts);
  t.deepEqual(await billProblems(made.bill), []);
  t.is(assemble(lock, facts, parts).bill, made.bill);
  const { components, dependencies } = JSON.parse(made.bill);
  const of = (name: string) => components.find((one: { name: string }) => one.name === name);
  t.is(
    of("libssl3").purl,
    "pkg:deb/debian/libssl3@3.0.17-1~deb12u3?arch=arm64&distro=debian-12&upstream=openssl",
  );
  t.is(of("tool").purl, "pkg:deb/debian/tool@1%3A2-1?arch=arm64&distro=debian-12");
  t.deepEqual(of("libssl3").licenses, [
    { license: { name: "Apache-2.0" } },
    { license: { name: "GPL-2+" } },
  ]);
  t.deepEqual(of("tool").licenses, [{ license: { name: "see /usr/share/doc/tool/copyright" } }]);
  const needs = dependencies.find(({ ref }: { ref: string }) => ref === of("tool").purl).dependsOn;
  t.deepEqual(needs, [of("libc6").purl, of("libssl3").purl].toSorted());
  t.regex(made.sources, / {2}openssl=3\.0\.17-1~deb12u3\n/);
  t.regex(made.sources, / {2}glibc=2\.36-9\+deb12u13\n/);
  t.regex(made.sources, / {2}valibot@/);
});

test("licences are read where a copyright file has Debian's format, and not guessed where it is prose", (t) => {
  t.deepEqual(licencesIn("This is under the GPL.\nLicense: GPL\n"), []);
});
