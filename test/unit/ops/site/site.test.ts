/** Which configurations of a site are believed, and what a folder may have. */
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "ava";
import {
  judgeSite,
  type Machine,
  readRecord,
  type SiteRecord,
} from "../../../../src/ops/site/decide.ts";
import { readFolder } from "../../../../src/ops/site/folder.ts";
import {
  isSiteFile,
  makeManifest,
  manifestFile,
  readKeys,
  signatureFile,
  signManifest,
} from "../../../../src/ops/site/manifest.ts";

interface Signer {
  readonly id: string;
  readonly key: KeyObject;
  /** Its line of `site-keys`. */
  readonly line: string;
}

function signer(id: string): Signer {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { id, key: privateKey, line: `${id} ${publicKey.export({ format: "jwk" }).x}\n` };
}

const [ops, next, eve, vendor] = ["ops", "next", "eve", "vendor"].map(signer) as [
  Signer,
  Signer,
  Signer,
  Signer,
];
const none: ReadonlyMap<string, KeyObject> = new Map();
const keysOf = (...signers: readonly Signer[]) =>
  readKeys(signers.map(({ line }) => line).join("")) ?? none;

const blank: Machine = {
  node: "node-a",
  imageKeys: none,
  blank: true,
  current: undefined,
  turned: false,
};
const record: SiteRecord = {
  v: 1,
  node: "node-a",
  serial: 7,
  signed_by: "ops",
  provisioned: "unsigned",
  files: [],
};
/** One that has a configuration, and whose key is turned. */
const settled: Machine = {
  ...blank,
  blank: false,
  current: { record, keys: ops.line },
  turned: true,
};

type Texts = Readonly<Record<string, string>>;
const plain: Texts = { "node.toml": "x = 1\n", "km-ca.crt": "CA\n" };

function files(texts: Texts): Map<string, Buffer> {
  return new Map(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]));
}

function signed(texts: Texts, by: Signer, serial = 8, node = "node-a"): Map<string, Buffer> {
  const all = files(texts);
  const manifest = makeManifest(all, { node, serial, issued: Date.parse("2026-11-21T12:00:00Z") });
  return all.set(manifestFile, manifest).set(signatureFile, signManifest(manifest, by));
}

test("without a key in the image a blank machine believes its first configuration, and records that", (t) => {
  t.like(judgeSite(files(plain), blank), { serial: 0, provisioned: "unsigned" });
  const own = { ...plain, "site-keys": ops.line };
  t.like(judgeSite(signed(own, ops), blank), {
    serial: 8,
    signed_by: "ops",
    provisioned: "unsigned",
    issued: "2026-11-21T12:00:00.000Z",
  });
  t.is(judgeSite(signed(own, eve), blank), "it is signed by a key that is not known here");
  t.is(judgeSite(files({ "km-ca.crt": "CA" }), blank), "there is no node.toml");
  const bad = files({ ...plain, "site-keys": "ops AAAA\n" });
  t.is(judgeSite(bad, blank), "site-keys has a line that is no key");
});

test("a key in the image makes unsigned ones impossible, and the machine one that was signed for", (t) => {
  const machine = { ...blank, imageKeys: keysOf(vendor) };
  const own = { ...plain, "site-keys": eve.line };
  t.is(judgeSite(files(plain), machine), "it is not signed");
  t.regex(String(judgeSite(signed(own, eve), machine)), /not known here/);
  t.like(judgeSite(signed(plain, vendor), machine), { provisioned: "signed" });
  // Trust began anew.
  const late = { ...settled, imageKeys: keysOf(vendor) };
  t.like(judgeSite(signed(plain, vendor), late), { provisioned: "signed", signed_by: "vendor" });
  t.like(judgeSite(signed(plain, ops), late), { provisioned: "unsigned", signed_by: "ops" });
});

test("a pinned key replaces a configuration, with the panel's key turned; others do not", (t) => {
  t.like(judgeSite(signed(plain, ops), settled), { serial: 8, signed_by: "ops" });
  const turnedBack = judgeSite(signed(plain, ops), { ...settled, turned: false });
  t.regex(String(turnedBack), /turn the key switch/);
  t.is(judgeSite(files(plain), settled), "it is not signed");
  const brought = { ...plain, "site-keys": eve.line };
  t.regex(String(judgeSite(signed(brought, eve), settled)), /not known here/);
  t.regex(String(judgeSite(signed(brought, { ...eve, id: "ops" }), settled)), /does not match/);
  // A machine whose pins are not believed, or that has none.
  const keys = undefined;
  t.regex(
    String(judgeSite(signed(plain, ops), { ...settled, current: { record, keys } })),
    /not known/,
  );
  t.regex(String(judgeSite(signed(plain, ops), { ...settled, current: undefined })), /not known/);
});

test("a key is renewed by what the old one signed, and is good no more after that", (t) => {
  const renewal = signed({ ...plain, "site-keys": next.line }, ops);
  const taken = judgeSite(renewal, settled) as SiteRecord;
  t.is(taken.serial, 8);
  const renewed: Machine = { ...settled, current: { record: taken, keys: next.line } };
  t.regex(String(judgeSite(signed(plain, ops, 9), renewed)), /not known here/);
  t.like(judgeSite(signed(plain, next, 9), renewed), { serial: 9, signed_by: "next" });
});

test("an old configuration is not taken again, nor another node's", (t) => {
  for (const serial of [1, 6, 7]) {
    t.regex(String(judgeSite(signed(plain, ops, serial), settled)), /is not greater than 7/);
  }
  t.regex(String(judgeSite(signed(plain, ops, 8, "node-b"), settled)), /signed for another node/);
});

test("each file is the one that was signed: none more, none less", (t) => {
  const judged = (change: (all: Map<string, Buffer>) => void) => {
    const all = signed({ ...plain, "network/1.network": "[Match]" }, ops);
    change(all);
    return judgeSite(all, settled);
  };
  const put = (name: string, text: string) => judged((all) => all.set(name, Buffer.from(text)));
  t.is(put("km-ca.crt", "Eve's"), "km-ca.crt was changed");
  t.is(put("network/1.network", ""), "network/1.network was changed");
  t.is(put("network/0.network", ""), "network/0.network is not listed");
  t.is(
    judged((all) => all.delete("km-ca.crt")),
    "km-ca.crt is missing",
  );
  t.is(
    judged((all) => all.delete(signatureFile)),
    "it is not signed",
  );
  for (const text of ["", "ops", "ops AAAA", `ops ${"A".repeat(86)} x`]) {
    t.is(put(signatureFile, text), "its signature is none", text);
  }
  t.is(put(signatureFile, `ops ${"A".repeat(86)}\n`), "its signature does not match");
  t.is(
    judged((all) => {
      const text = String(all.get(manifestFile)).replace('"serial": 8', '"serial": 9');
      all.set(manifestFile, Buffer.from(text));
    }),
    "its signature does not match",
  );
  // Signed, but for something else, and nothing that is a manifest.
  for (const text of ["", "{}", "[]", '{"kind":"qkd-node site configuration","v":2}']) {
    const all = files(plain).set(manifestFile, Buffer.from(text));
    all.set(signatureFile, signManifest(Buffer.from(text), ops));
    t.is(judgeSite(all, settled), "its manifest is none", text);
  }
});

test("a configuration has files of known kinds, with plain names", (t) => {
  for (const name of [
    ...["node.toml", "node.crt", "site-ca.crt", "a_b.c.pem", "x.crl", "site-keys"],
    ...["chrony/site.sources", "network/10-site.network"],
  ]) {
    t.true(isSiteFile(name), name);
  }
  for (const name of [
    ...["", "id", "node.csr", "node.key", "record.json", "seal", ".x.crt", "._node.toml", "-x.crt"],
    ...[
      "a/b.crt",
      "../x.crt",
      "/x.crt",
      "chrony/../x.crt",
      "chrony/a/b.sources",
      "x.crt\n",
      "x..crt",
    ],
    ...["chrony/x.conf", "network/x.link", "network/x.netdev", "network/.x.network", "x.crt/"],
    ...[`${"x".repeat(100)}.crt`, "manifest.json", "manifest.sig", "node.toml.d", "ä.crt"],
  ]) {
    t.false(isSiteFile(name), name);
  }
});

test("keys are one a line, and each has a name of its own", (t) => {
  t.deepEqual(
    [...(readKeys(`# ours\r\n\n${ops.line}${next.line}`)?.keys() ?? [])],
    ["ops", "next"],
  );
  for (const bad of [
    ...["ops", "ops AAAA", ` ${ops.line}`, `${ops.line.trim()} x`, ops.line + ops.line],
    Array.from({ length: 17 }, (_, i) => signer(`k${i}`).line).join(""),
  ]) {
    t.is(readKeys(bad), undefined, bad);
  }
});

test("a record that is none is none", (t) => {
  t.deepEqual(readRecord(JSON.stringify(record)), record);
  for (const bad of ["", "{", "[]", "{}", JSON.stringify({ ...record, serial: -1 })]) {
    t.is(readRecord(bad), undefined, bad);
  }
});

test("a folder is read within bounds, and nothing that a link leads to", (t) => {
  const box = mkdtempSync(join(tmpdir(), "qkd-folder-"));
  t.teardown(() => rmSync(box, { recursive: true }));
  const secret = join(box, "secret");
  writeFileSync(secret, "secret");
  let n = 0;
  const folder = (make: (at: (name: string) => string) => void) => {
    const root = join(box, `site-${n++}`);
    mkdirSync(root);
    make((name) => {
      const path = join(root, name);
      mkdirSync(dirname(path), { recursive: true });
      return path;
    });
    return root;
  };
  const good = folder((at) => {
    for (const name of [
      "node.toml",
      "notes.txt",
      "chrony/a.sources",
      "chrony/b.conf",
      "deep/er/x.crt",
    ])
      writeFileSync(at(name), name);
    writeFileSync(at("longest.pem"), Buffer.alloc(262_144));
    // A folder of this name elsewhere is not this one.
    symlinkSync(box, at("network"));
  });
  t.deepEqual([...readFolder(good).keys()], ["longest.pem", "node.toml", "chrony/a.sources"]);
  t.deepEqual([...readFolder(join(box, "nowhere")).keys()], []);

  const bad: Readonly<Record<string, (at: (name: string) => string) => void>> = {
    "cannot read x.crt: ELOOP": (at) => symlinkSync(secret, at("x.crt")),
    "x.crt is no regular file": (at) => mkdirSync(at("x.crt")),
    "x.pem is no regular file": (at) => execFileSync("mkfifo", [at("x.pem")]),
    "x.pem is longer than 256 KiB": (at) => writeFileSync(at("x.pem"), Buffer.alloc(262_145)),
    "there are too many files": (at) => {
      for (let i = 0; i < 70; i++) writeFileSync(at(`${i}.pem`), "");
    },
    "a folder has too many names": (at) => {
      for (let i = 0; i < 1_100; i++) writeFileSync(at(`${i}.txt`), "");
    },
  };
  for (const [message, make] of Object.entries(bad)) {
    t.throws(() => readFolder(folder(make)), { message });
  }
});
