/** A site's configuration on a stick, by the image's own script and program. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "ava";
import { noteNotTaken } from "../../src/ops/site/not-taken.ts";
import { type Sealer, sealers } from "../../src/ops/site/seal.ts";
import { siteStatus, siteTrouble } from "../../src/ops/site/told.ts";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { problemsOf, qkdNode } from "../rig/cli.ts";
import { withNode } from "../rig/one-node.ts";
import { eves, nodeId, ours, SiteBench } from "../rig/site-bench.ts";

const keepAlive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(keepAlive));

/** @param keys files of keys that the first configuration brings, by their IDs */
async function provisioned(bench: SiteBench, ...keys: readonly string[]): Promise<void> {
  const lines = await Promise.all(keys.map((id) => bench.key(id)));
  bench.put({ ...ours, ...(keys.length > 0 && { "site-keys": lines.join("") }) });
  const said = await bench.plug();
  if (!/^taken: /m.test(said)) throw new Error(said);
}

async function withBench(body: (bench: SiteBench) => Promise<void>): Promise<void> {
  const bench = new SiteBench();
  try {
    await body(bench);
  } finally {
    bench.close();
  }
}

test.serial(
  "a blank machine takes a configuration that nobody signed, and tells that ever after",
  async (t) => {
    await withBench(async (bench) => {
      bench.put({
        ...ours,
        "chrony/site.sources": "server 192.0.2.1\n",
        "network/10-site.network": "[Match]\n",
        id: "another",
        "node.csr": "another",
        "record.json": "{}",
        "notes.txt": "",
        "._node.toml": "",
      });
      const said = await bench.plug();
      t.regex(said, /^taken: the node runs with the new configuration$/m);
      t.regex(said, /nobody had signed/);
      t.regex(said, /no file site-keys: no other configuration can be brought/);
      t.is(readFileSync(join(bench.home, "node.toml"), "utf8"), ours["node.toml"]);
      t.is(readFileSync(join(bench.home, "chrony/site.sources"), "utf8"), "server 192.0.2.1\n");
      t.is(readFileSync(join(bench.network, "10-site.network"), "utf8"), "[Match]\n");
      t.is(readFileSync(join(bench.home, "id"), "utf8"), `${nodeId}\n`);
      t.is(readFileSync(join(bench.home, "node.csr"), "utf8"), "csr\n");
      t.false(existsSync(join(bench.home, "notes.txt")));
      t.deepEqual(siteStatus(bench.environment), { serial: 0, provisioned: "unsigned" });
      t.is(siteTrouble(bench.environment, "node"), undefined);
      t.true(bench.did.includes("restart qkd-node.service"));
    });
  },
);

test.serial(
  "a machine with a configuration takes none that is not signed, also with the panel's key",
  async (t) => {
    await withBench(async (bench) => {
      await provisioned(bench, "ops");
      const before = bench.shown();
      bench.put({
        ...eves,
        "network/00-eve.network": "[Match]\n",
        "site-keys": await bench.key("eve"),
      });
      t.regex(await bench.plug(), /^refused: .*turn the key switch/m);
      bench.turn(true);
      t.regex(await bench.plug(), /^refused: it is not signed$/m);
      await bench.sign("eve", 1_000);
      t.regex(await bench.plug(), /^refused: it is signed by a key that is not known here$/m);
      t.deepEqual(bench.shown(), before);
    });
  },
);

test.serial(
  "what a pinned key signed is taken with the panel's key; the same again is not",
  async (t) => {
    await withBench(async (bench) => {
      await provisioned(bench, "ops");
      const keys = readFileSync(bench.in("ops.pub"), "utf8");
      const next = { ...ours, "node.toml": 'host = "km2.operator"\n', "site-keys": keys };
      bench.put(next);
      await bench.sign("ops", 5);
      const site = join(bench.stick, "site");
      t.regex(await bench.tool("verify", site, "--keys", bench.in("ops.pub")), /serial 5, by ops/);
      bench.turn(true);
      writeFileSync(join(site, "km-ca.crt"), eves["km-ca.crt"]);
      t.regex(await bench.plug(), /^refused: km-ca\.crt was changed$/m);
      writeFileSync(join(site, "km-ca.crt"), ours["km-ca.crt"]);
      t.regex(await bench.plug(), /^taken: /m);
      t.is(readFileSync(join(bench.home, "node.toml"), "utf8"), next["node.toml"]);
      t.deepEqual(siteStatus(bench.environment), {
        serial: 5,
        signed_by: "ops",
        provisioned: "unsigned",
      });
      t.is(siteTrouble(bench.environment, "node"), undefined);
      t.regex(await bench.plug(), /serial 5 is not greater than 5/);
    });
  },
);

test.serial(
  "where the image has keys, nothing is ever taken unsigned, and it is told so",
  async (t) => {
    await withBench(async (bench) => {
      writeFileSync(bench.imageKeys, await bench.key("vendor"));
      bench.put({ ...eves, "site-keys": await bench.key("eve") });
      t.regex(await bench.plug(), /^refused: it is not signed$/m);
      bench.put(ours);
      await bench.sign("vendor", 1);
      const said = await bench.plug();
      t.regex(said, /^taken: /m);
      t.notRegex(said, /nobody had signed|no other configuration/);
      t.like(siteStatus(bench.environment), { signed_by: "vendor", provisioned: "signed" });
    });
  },
);

test.serial(
  "a configuration with which the node does not start gives way to the one before",
  async (t) => {
    await withBench(async (bench) => {
      const blank = bench.shown();
      bench.put({ ...ours, "network/10-site.network": "[Match]\n" });
      bench.broken = true;
      t.regex(await bench.plug(), /^refused: the key manager does not start with it/m);
      t.deepEqual(bench.shown(), blank);
      bench.broken = false;
      await provisioned(bench, "ops");
      bench.turn(true);
      const before = bench.shown();
      const keys = readFileSync(bench.in("ops.pub"), "utf8");
      bench.put({ ...ours, "new-ca.crt": "x", "network/1.network": "", "site-keys": keys });
      await bench.sign("ops", 3);
      bench.broken = true;
      t.regex(await bench.plug(), /^refused: the key manager does not start with it/m);
      t.deepEqual(bench.shown(), before);
      t.is(siteTrouble(bench.environment, "node"), undefined);
      // What was wrong was not the configuration.
      bench.broken = false;
      t.regex(await bench.plug(), /^taken: /m);
      bench.put({ ...ours, "site-keys": keys });
      await bench.sign("ops", 4);
      t.regex(await bench.plug(), /^taken: /m);
      t.false(existsSync(join(bench.home, "new-ca.crt")));
      t.true(existsSync(join(bench.home, "sites/3")), "the one before is kept");
      t.deepEqual(readdirSync(bench.network), []);
    });
  },
);

test.serial("a stick without a folder site gets the request, and that is all", async (t) => {
  await withBench(async (bench) => {
    const before = bench.shown();
    rmSync(join(bench.stick, "site"), { recursive: true, force: true });
    const said = await bench.plug();
    t.regex(said, /nothing taken\n$/);
    t.notRegex(said, /refused/);
    const request = (id: string) => readFileSync(bench.in(`run/qkd-site/stick/${id}.csr`), "utf8");
    t.is(request(nodeId), "csr\n");
    t.is(request(nodeId.replace("qkd", "km")), "km csr\n");
    t.is(request(nodeId.replace("qkd", "controller")), "controller csr\n");
    t.deepEqual(bench.shown(), before);
  });
});

test.serial("a hostile stick gets nothing of the machine, and brings nothing", async (t) => {
  await withBench(async (bench) => {
    const secret = bench.in("secret");
    writeFileSync(secret, "secret\n");
    const site = join(bench.stick, "site");
    const before = bench.shown();
    const refused = async (what: string, make: () => void) => {
      bench.put(ours);
      make();
      const said = await bench.plug();
      t.notRegex(said, /taken: |secret/, what);
      t.deepEqual(bench.shown(), before, what);
      t.is(readFileSync(secret, "utf8"), "secret\n", what);
    };
    const instead = (name: string, make: (path: string) => void) => () => {
      rmSync(join(bench.stick, name), { recursive: true, force: true });
      make(join(bench.stick, name));
    };
    const link = (path: string) => symlinkSync(secret, path);
    await refused("a link for a file", instead("site/node.toml", link));
    await refused(
      "a link for the folder",
      instead("site", (path) => symlinkSync(bench.home, path)),
    );
    await refused(
      "a pipe",
      instead("site/x.crt", (path) => execFileSync("mkfifo", [path])),
    );

    // Written to: its own files, not what a link of their name leads to.
    bench.put(ours);
    for (const name of ["result.txt", `${nodeId}.csr`]) link(join(bench.stick, name));
    mkdirSync(join(site, "chrony"));
    symlinkSync(bench.in("etc"), join(site, "network"));
    t.regex(await bench.plug(), /^taken: /m);
    t.is(readFileSync(secret, "utf8"), "secret\n");
    t.false(existsSync(join(bench.network, "qkd-node")));
  });
});

test.serial(
  "without the image's program, its key, or its certificate's key, nothing is taken",
  async (t) => {
    await withBench(async (bench) => {
      const before = bench.shown();
      bench.put(ours);
      bench.programThere = false;
      t.regex(await bench.plug(), /^refused: /m);
      bench.programThere = true;
      rmSync(join(bench.credentials, "node.key"));
      t.regex(await bench.plug(), /^refused: /m);
      t.deepEqual(bench.shown(), before);
    });
  },
);

testWith("openssl", "a certificate must be of the node's own key", async (t, openssl) => {
  await withBench(async (bench) => {
    const make = (name: string) => {
      const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
      const out = ["-keyout", bench.in(`${name}.pem`), "-out"];
      const args = ["req", ...key, "-subj", "/CN=x", ...out];
      execFileSync(openssl, [...args, bench.in(`${name}.csr`)], { stdio: "pipe" });
      const signing = ["x509", "-req", "-in", bench.in(`${name}.csr`), "-signkey"];
      return execFileSync(openssl, [...signing, bench.in(`${name}.pem`)], {
        encoding: "utf8",
        stdio: "pipe",
      });
    };
    const [own, other] = [make("own"), make("other")];
    writeFileSync(join(bench.home, "node.csr"), readFileSync(bench.in("own.csr")));
    const before = bench.shown();
    bench.put({ ...ours, "node.crt": other });
    t.regex(await bench.plug(), /^refused: node\.crt is not of this machine's key$/m);
    bench.put({ ...ours, "node.crt": "" });
    t.regex(await bench.plug(), /^refused: node\.crt is not of this machine's key$/m);
    writeFileSync(bench.in("kept/km.csr"), readFileSync(bench.in("other.csr")));
    bench.put({ ...ours, "node.crt": own, "km.crt": own });
    t.regex(await bench.plug(), /^refused: km\.crt is not of this machine's key$/m);
    t.deepEqual(bench.shown(), before);
    bench.put({ ...ours, "node.crt": own, "km.crt": other });
    t.regex(await bench.plug(), /^taken: /m);
  });
});

test.serial(
  "a configuration that was changed on the disk is not run with, nor believed about its keys",
  async (t) => {
    await withBench(async (bench) => {
      await provisioned(bench, "ops");
      const eve = await bench.key("eve");
      const site = (name: string) => join(bench.home, "site", name);
      const keep = bench.in("home");
      bench.copyHome(keep);
      const changes: Record<string, () => void> = {
        "km-ca.crt was changed": () => writeFileSync(site("km-ca.crt"), eves["km-ca.crt"]),
        "node.toml was changed": () => writeFileSync(site("node.toml"), eves["node.toml"]),
        "site-keys was changed": () => writeFileSync(site("site-keys"), eve),
        "eve.crt is not listed": () => writeFileSync(site("eve.crt"), ""),
        "km-ca.crt is missing": () => unlinkSync(site("km-ca.crt")),
        "it has no seal": () => unlinkSync(site("seal")),
        "its seal is not this machine's": () => {
          const record = readFileSync(site("record.json"), "utf8");
          writeFileSync(site("record.json"), record.replace("unsigned", "signed"));
        },
        "a file beside it does not belong to it: node.toml": () => {
          unlinkSync(join(bench.home, "node.toml"));
          writeFileSync(join(bench.home, "node.toml"), eves["node.toml"]);
        },
      };
      for (const [why, change] of Object.entries(changes)) {
        change();
        for (const who of Object.keys(sealers) as Sealer[]) {
          const here = why === "it has no seal" && who !== "node" ? undefined : why;
          t.is(siteTrouble(bench.environment, who), here);
        }
        rmSync(bench.home, { recursive: true });
        cpSync(keep, bench.home, { recursive: true, verbatimSymlinks: true });
      }
      t.is(siteTrouble(bench.environment, "node"), undefined);

      // A seal that was made elsewhere, with another key.
      writeFileSync(join(bench.credentials, "node.key"), "another key");
      t.is(siteTrouble(bench.environment, "node"), "its seal is not this machine's");
      rmSync(join(bench.credentials, "node.key"));
      t.is(siteTrouble(bench.environment, "node"), "the key of its seal is not there");
      writeFileSync(join(bench.credentials, "node.key"), "the node's private key");

      // With a key of hers on the disk, and the panel's key, Eve's stick is not taken either.
      writeFileSync(site("site-keys"), eve);
      bench.turn(true);
      bench.put({ ...eves, "site-keys": eve });
      await bench.sign("eve", 9);
      t.regex(
        await bench.plug(),
        /^refused: .*not known here; of the one that is here: site-keys was/m,
      );
      t.is(siteTrouble({}, "node"), undefined, "a machine that is no appliance has no seal");
    });
  },
);

test.serial(
  "a node tells that trust began unsigned, and does not run with what was changed on the disk",
  async (t) => {
    await withBench(async (bench) => {
      await provisioned(bench, "ops");
      await withNode({ transport: "tls", mode: "proactive" }, async ({ folder, node }) => {
        await node.stop();
        node.environment = bench.environment;
        node.lines.length = 0;
        const note = { folder: "sites/7", serial: 7, why: "the node does not start with it" };
        noteNotTaken(bench.home, note, undefined);
        node.start();
        await node.logged(/module up/, patience(30_000));
        const where = ["--config", join(folder, "node.toml")];
        const status = await qkdNode(["status", ...where]);
        t.regex(status.out, /configuration +configuration was provisioned unsigned/);
        const json = await qkdNode(["status", ...where, "--json"]);
        t.deepEqual(problemsOf("status", json.out), []);
        const not_taken = { serial: 7, why: note.why };
        t.deepEqual(JSON.parse(json.out).site, { serial: 0, provisioned: "unsigned", not_taken });
        const told = /serial 7 was not taken: the node does not start with it/;
        t.regex(status.out, told);
        t.regex((await qkdNode(["doctor", "--json", ...where])).out, told);
        const events = await qkdNode(["events", "-n", "20", ...where]);
        t.regex(events.out, /configuration_unsigned/);
        t.regex(events.out, /configuration_not_taken\s+serial=7 why=the node/);
        await node.stop();

        writeFileSync(join(bench.home, "site/km-ca.crt"), eves["km-ca.crt"]);
        const refused = await qkdNode(["run", ...where], bench.environment);
        t.is(refused.code, 78);
        t.regex(refused.err, /not what was taken: km-ca\.crt was changed/);
      });
    });
  },
);
