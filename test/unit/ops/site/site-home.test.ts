/** Where configurations are kept: whatever moment the power goes, there is one, and whole. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { SiteRecord } from "../../../../src/ops/site/decide.ts";
import {
  currentSite,
  isBlank,
  keepSite,
  revertSite,
  type SiteHome,
  stageSite,
  switchSite,
} from "../../../../src/ops/site/home.ts";
import { listed } from "../../../../src/ops/site/manifest.ts";
import { checkSeal } from "../../../../src/ops/site/seal.ts";

const key = Buffer.from("the node's private key");

function machine(t: ExecutionContext): SiteHome {
  const box = mkdtempSync(join(tmpdir(), "qkd-home-"));
  t.teardown(() => rmSync(box, { recursive: true }));
  const where = { home: join(box, "home"), network: join(box, "network"), gid: undefined };
  mkdirSync(where.home);
  mkdirSync(where.network);
  writeFileSync(join(where.home, "id"), "node-a\n");
  return where;
}

function stage(where: SiteHome, serial: number, names: readonly string[] = []): string {
  const entries = ["node.toml", ...names].map((name) => [name, Buffer.from(`${serial}`)] as const);
  const files = new Map(entries);
  const record: SiteRecord = {
    v: 1,
    node: "node-a",
    serial,
    provisioned: "unsigned",
    files: listed(files).map(({ name, sha256 }) => ({ name, sha256 })),
  };
  return stageSite(where, files, record, { node: key });
}

const inForce = ({ home }: SiteHome) => readFileSync(join(home, "node.toml"), "utf8");

test("what is staged changes nothing; what is switched to is in force, and sealed", (t) => {
  const where = machine(t);
  t.is(stage(where, 1, ["network/1.network", "chrony/a.sources"]), "1");
  t.true(isBlank(where));
  t.is(currentSite(where), undefined);
  t.deepEqual(readdirSync(where.network), []);
  switchSite(where, "1");
  keepSite(where);
  t.false(isBlank(where));
  t.is(currentSite(where)?.record.serial, 1);
  t.is(checkSeal(where.home, key, "node"), undefined);
  t.is(readFileSync(join(where.network, "1.network"), "utf8"), "1");
  // There is no way back to a blank machine once it ran.
  t.false(revertSite(where, "cut"));
  t.is(inForce(where), "1");
});

test("a machine on which nothing was put in force yet is blank, whatever a power cut left", (t) => {
  const where = machine(t);
  stage(where, 1);
  mkdirSync(join(where.home, "sites/new"));
  writeFileSync(join(where.home, ".node.toml.new"), "");
  writeFileSync(join(where.home, "node.csr.new"), "");
  t.true(isBlank(where));
  switchSite(where, stage(where, 2, ["a.crt"]));
  rmSync(join(where.home, "site"));
  t.true(isBlank(where), "links of files lead nowhere until the last step");
  switchSite(where, stage(where, 3));
  t.is(checkSeal(where.home, key, "node"), undefined);
  writeFileSync(join(where.home, ".a.crt.new"), "");
  t.is(checkSeal(where.home, key, "node"), undefined);
  t.deepEqual(readdirSync(join(where.home, "sites")), ["3"]);
});

test("one that somebody put there by hand is a configuration", (t) => {
  const where = machine(t);
  writeFileSync(join(where.home, "node.toml"), "");
  t.false(isBlank(where));
});

test("the one before is there until there is another, and a serial may come again", (t) => {
  const where = machine(t);
  for (const serial of [1, 2, 3]) {
    switchSite(where, stage(where, serial));
    keepSite(where);
  }
  t.deepEqual(readdirSync(join(where.home, "sites")).sort(), ["2", "3"]);
  t.is(stage(where, 3), "3-again");
  switchSite(where, "3-again");
  t.true(revertSite(where, "cut"));
  t.is(inForce(where), "3");
  t.is(stage(where, 4), "4");
  t.is(inForce(where), "3");
  t.is(checkSeal(where.home, key, "node"), undefined);
});
