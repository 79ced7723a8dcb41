/** Keys that can be found again, at two key managers with applications: where they must not be. */

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import test from "ava";
import type { KmStatus } from "../../src/km/model/status.ts";
import { ask } from "../../src/ops/cli/client.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { ApplicationClient } from "../rig/application.ts";
import { Canary, canaryBytes } from "../rig/canary.ts";
import { type KmOfPair, KmPair } from "../rig/km-pair.ts";
import { programPath } from "../rig/programs.ts";
import { Rig } from "../rig/rig.ts";
import { steal } from "../rig/store-thief.ts";

const command = programPath("qkd-km");
const perBlock = 64;
const blocks = 60;
const given = 40;
const wipeAfterS = 1;
const deadline = () => patience(60_000);

function source(canary: Canary): BlockSource {
  let number = 0;
  return {
    name: "canaries",
    total: blocks,
    next() {
      if (number === blocks) return undefined;
      const bytes = Buffer.concat(Array.from({ length: perBlock }, () => canary.key()));
      const ref = { epoch: "00112233aabbccdd", number: number++ };
      return {
        facts: { ref, bits: bytes.length * 8, qber: 0.03 },
        alice: Buffer.from(bytes),
        bob: bytes,
      };
    },
  };
}

/** Says something, and hears whatever comes until the end. */
function said(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => {}).once("close", () => resolve());
    socket.setTimeout(2_000, () => socket.destroy());
    socket.resume().write(text);
  });
}

/** Everything that a thief with the disk and the master key can read of a store. */
function loot(km: KmOfPair, masterKey: Buffer): Buffer {
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(`${km.state}/store`, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    try {
      files.set(path, readFileSync(path));
    } catch {
      // Removed meanwhile.
    }
  }
  return Buffer.concat(steal(files, masterKey, { link: "fibre", extents: 200 }));
}

test.serial(
  "keys at two key managers are in no file, log, answer or string, and used ones not behind the master key either",
  async (t) => {
    t.timeout(300_000);
    const canary = new Canary();
    const folder = mkdtempSync(join(tmpdir(), "qkd-km-canary-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const kms = await KmPair.make({
      folder,
      modules: ["QKD-A-0001", "QKD-B-0001"],
      // Those would be bound to their pair: no order gives them up.
      door: "prepared_keys = 0\n",
    });
    t.teardown(() => kms.stop());
    for (const { end, process: of } of kms.kms) {
      const config = join(folder, `${end}.toml`);
      const own = `master_key_file = "master-${end}"\n`;
      const more = `master_key_next_file = "next-${end}"\nwipe_after_s = ${wipeAfterS}\n`;
      const text = readFileSync(config, "utf8").replace(own, `${own}${more}`);
      writeFileSync(config, `${text}\n[log]\nlevel = "debug"\n`);
      // Every string of the program can be asked for; bytes of buffers are not in a snapshot.
      const options = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder}`;
      of.environment = { NODE_OPTIONS: options };
    }
    const { alice, bob } = kms;
    await kms.start(deadline());
    const rig = await Rig.start({
      source: source(canary),
      baud: 0,
      blockIntervalMs: 30,
      keyBits: canaryBytes * 8,
      kmAt: { alice: alice.at, bob: bob.at },
    });
    const clients: ApplicationClient[] = [];
    try {
      const holds =
        (keys: number) =>
        ({ links: [link] }: KmStatus) =>
          (link?.matched_bits ?? 0) >= keys * canaryBytes * 8;
      await eventually("stock", () => alice.status(), { when: holds(500) });
      // Keys for applications, a crash on the way, another master key.
      const [a, b] = [alice, bob].map((km) => {
        const client = new ApplicationClient(km, km.applications[0] as never);
        clients.push(client);
        return client;
      }) as [ApplicationClient, ApplicationClient];
      // Half of the stock is the other's, who is asked for what is missing and may be slow to answer.
      const enc = await eventually("keys", () => a.encKeys(b.sae, given), { is: { status: 200 } });
      const { keys } = enc.body as { keys: { key_ID: string; key: string }[] };
      t.true(canary.isInText(JSON.stringify(enc.body)), "an application gets a key of these");
      t.is(
        (
          await b.decKeys(
            a.sae,
            keys.map(({ key_ID }) => key_ID),
          )
        ).status,
        200,
      );
      await bob.process.stop("SIGKILL");
      await bob.start(deadline());
      const master = randomBytes(32);
      writeFileSync(join(folder, "next-alice"), master, { mode: 0o600 });
      const rekeyed = spawnSync(command, ["rekey", "--config", join(folder, "alice.toml")]);
      t.is(rekeyed.status, 0, rekeyed.stderr.toString());

      // What quotes keys where none belongs: to nodes, other KMs, applications, the local sockets.
      const quoted = JSON.stringify(enc.body);
      const key = keys[0]?.key as string;
      t.not((await a.ask(`/api/v1/keys/${encodeURIComponent(key)}/enc_keys`, quoted)).status, 200);
      t.not((await b.decKeys(a.sae, [key])).status, 200);
      const { ca, cert, key: secret } = alice.node;
      const tls = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(secret) };
      const node = () =>
        connect({ host: "127.0.0.1", port: alice.port, servername: "km-alice", ...tls });
      for (const text of [quoted, `{"key":"${key}"}`, key]) await said(node(), text);
      await said(connectTcp({ host: "127.0.0.1", port: alice.port }), quoted);
      for (const end of ["", ".read"]) {
        await said(connectTcp(`${alice.state}/control${end}`), `${quoted}\n`);
      }
      const who = { called: "the key manager", command: "qkd-km" };
      for (const args of [
        { id: key },
        { module: key, from: 0, to: 1 },
        { link: key, from: 0, to: 1 },
      ]) {
        await ask([`${alice.state}/control`], "keys", args, undefined, who).catch((error) =>
          t.false(canary.isInText(String(error))),
        );
      }
      const all = holds(blocks * perBlock);
      await eventually("all keys", () => alice.status(), { when: all });
      await eventually("all keys", () => bob.status(), { when: all });

      // Used: gone within the window, from both disks. What is free is there, or the thief is no thief.
      const masters = { alice: master, bob: readFileSync(join(folder, "master-bob")) };
      const used = keys.map((one) => Buffer.from(one.key, "base64"));
      for (const km of kms.kms) {
        const left = () => {
          const found = loot(km, masters[km.end]);
          return canary.isIn(found) ? used.filter((one) => found.includes(one)).length : -1;
        };
        await eventually(`${km.end}: used keys are overwritten`, async () => left(), {
          when: (n) => n === 0,
        });
      }
      // Given up: nothing is left to steal.
      const [from, to] = [0, Date.now() + 60_000];
      const order = { link: "fibre", from, to, confirm: "km-alice" };
      const done = await ask<{ void_bits: number }>(
        [`${alice.state}/control`],
        "compromise",
        order,
        undefined,
        who,
      );
      t.true(done.void_bits > 0);
      for (const km of kms.kms) {
        const left = async () => canary.isIn(loot(km, masters[km.end]));
        await eventually(`${km.end}: nothing is left`, left, { when: (is) => !is });
      }

      // A snapshot holds the process up: after all else.
      for (const km of kms.kms) {
        km.process.signal("SIGUSR2");
        await eventually(
          "a snapshot of the heap",
          async () => readdirSync(folder).filter((name) => name.endsWith(".heapsnapshot")).length,
          { atLeast: kms.kms.indexOf(km) + 1 },
        );
        await km.status();
      }
      await Promise.all(rig.ends.map(({ node: one }) => one.stop()));
    } finally {
      for (const client of clients) client.close();
      await rig.close();
    }
    await kms.stop();
    t.is(canary.made, blocks * perBlock);
    const { searched, hits } = canary.filesIn(folder);
    t.true(searched >= 20, `${searched} files`);
    t.deepEqual(hits, []);
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
    for (const part of [
      "alice.log",
      "alice/store/books.sqlite",
      ".heapsnapshot",
      "alice/records",
    ]) {
      t.true(
        names.some((name) => name.includes(part)),
        part,
      );
    }
    const snapshot = names.find((name) => name.endsWith(".heapsnapshot")) as string;
    // That the search would find: a string of the program is in it.
    t.true(readFileSync(join(folder, snapshot)).includes("master_key_next_file"));
  },
);
