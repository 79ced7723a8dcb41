import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import test from "ava";
import { firstRecordAt } from "../../src/node/ledger/ledger-record.ts";
import { answerWith, dropConnection } from "../emulator/km/index.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { patience } from "../patience.ts";
import { Canary, canaryBytes } from "../rig/canary.ts";
import { withNode } from "../rig/one-node.ts";
import { Rig } from "../rig/rig.ts";

const perBlock = 64;
const blocks = 160;
const deadline = () => patience(120_000);

function source(canary: Canary): BlockSource {
  let number = 0;
  return {
    name: "canaries",
    total: blocks,
    next() {
      if (number === blocks) return undefined;
      const bytes = Buffer.concat(Array.from({ length: perBlock }, () => canary.key()));
      const ref = { epoch: "00112233aabbccdd", number: number++ };
      // Now and then a block that the quality gate holds back.
      const qber = number % 40 === 7 ? 0.2 : 0.03;
      const facts = { ref, bits: bytes.length * 8, qber };
      return { facts, alice: Buffer.from(bytes), bob: bytes };
    },
  };
}

test.serial(
  "ten thousand known keys are in no log, file or message, whatever went wrong",
  async (t) => {
    t.timeout(300_000);
    const canary = new Canary();
    const rig = await Rig.start({
      source: source(canary),
      keyBits: canaryBytes * 8,
      logLevel: "debug",
      baud: 0,
      blockIntervalMs: 15,
    });
    try {
      const { alice, bob } = rig;
      await rig.until("both KMs hold 500 keys", () => rig.holds(500));
      // What a KM may say and do.
      for (const reason of ["busy", "storage_full", "hash_mismatch", "invalid_message"] as const) {
        alice.km.behave(answerWith(reason, 3));
      }
      bob.km.behave(answerWith("unknown_module", 2));
      bob.km.behave(dropConnection("before storing", 1));
      bob.km.behave(dropConnection("before answering", 2));
      // What a line and a module may do.
      for (const { line } of rig.pair.ends) line.noise({ bitErrors: 1e-5, drops: 1e-5 });
      rig.pair.alice.reset();
      await rig.until("both KMs hold 2_000 keys", () => rig.holds(2_000));
      await bob.node.stop("SIGKILL");
      rig.pair.bob.rename("QKD-X-9999");
      bob.node.start();
      await bob.node.logged(/another module answers/, deadline());
      rig.pair.bob.rename("QKD-B-0001");
      await alice.km.stop();
      rig.pair.bob.port.unplug();
      await rig.broker.close();
      await alice.node.stop("SIGKILL");
      alice.node.start();
      rig.pair.bob.port.plug();
      await rig.broker.listen();
      await alice.km.listen();
      for (const { line } of rig.pair.ends) line.noise({ bitErrors: 0, drops: 0 });
      await rig.until(
        "all is distilled, and with both KMs",
        () => rig.pair.exhausted && rig.holds(9_000),
      );
      await rig.until("the modules are nearly empty", () =>
        rig.ends.every(({ name }) => rig.pair[name].module.heldBlocks < 20),
      );
      await Promise.all(rig.ends.map(({ node }) => node.stop()));

      // A start on a damaged ledger has things to say as well.
      const ledger = join(rig.folder, alice.nodeId, "state", "ledger-alice");
      const bytes = readFileSync(ledger);
      // Before the first record may be room that is kept, and of no matter.
      const at = firstRecordAt(bytes) + 6;
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(ledger, bytes);
      alice.node.lines.length = 0;
      alice.node.start();
      await alice.node.logged(/module is not served/, deadline());
      await alice.node.stop();

      t.is(canary.made, blocks * perBlock);
      const { searched, hits } = canary.filesIn(rig.folder);
      t.true(searched >= 10, `${searched} files`);
      t.true(existsSync(join(rig.folder, alice.nodeId, "state", "outbox")));
      t.deepEqual(hits, []);
      t.true(rig.broker.messages.length > 50);
      for (const { topic, payload } of rig.broker.messages) t.false(canary.isIn(payload), topic);
      t.log(
        `${canary.made} keys, ${searched} files, ${rig.broker.messages.length} messages: 0 hits`,
      );
      // That the search can find: what the KM holds is a key, in any writing.
      const key = Buffer.from(
        alice.km.store.bytes(alice.km.store.ids()[9] as string) as Uint8Array,
      );
      const decimal = JSON.stringify(key);
      const base64 = Buffer.concat([randomBytes(2), key]).toString("base64");
      for (const text of [key.toString("hex"), base64, key.toString("base64url"), decimal]) {
        t.true(canary.isInText(`x ${text} y`));
      }
      t.true(canary.isIn(Buffer.concat([randomBytes(5), key.subarray(0, 14)])));
    } finally {
      await rig.close();
    }
  },
);

/** Says something, and hears whatever comes until the end. */
function said(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => {}).once("close", () => resolve());
    socket.setTimeout(1_000, () => socket.destroy());
    socket.resume().write(`${text}\r\n\r\n`);
  });
}

testWhole.serial("keys that were asked for over HTTPS are in no log or file either", async (t) => {
  t.timeout(240_000);
  const canary = new Canary();
  await withNode({ transport: "https", mode: "on_request" }, async (bench) => {
    const { folder, serverPort, node, distil } = bench;
    const { request } = await import("node:https");
    for (let n = 0; n < 8; n++) distil(Buffer.concat([canary.key(), canary.key()]));
    const file = (name: string) => readFileSync(join(folder, name));
    const ask = (path: string, body: string) =>
      new Promise<string>((resolve) => {
        const options = {
          host: "127.0.0.1",
          port: serverPort,
          path,
          method: "POST",
          servername: "node",
          ca: file("ca.crt"),
          cert: file("km.crt"),
          key: file("km.key"),
          headers: { "content-type": "application/json" },
        };
        const sent = request(options, (response) => {
          let text = "";
          response.on("data", (chunk) => {
            text += chunk;
          });
          response.on("end", () => resolve(text));
        });
        sent.on("error", () => resolve(""));
        sent.end(body);
      });
    const path = "/api/v1/keys/QKD-B-0001/enc_keys";
    const two = () => ask(path, '{"number":2,"size":256}');
    const got = await eventually("a KM gets the keys", two, { when: (it) => canary.isInText(it) });
    for (const body of ['{"number":-1}', "{", '{"size":7}', '{"number":1e99}', "null"]) {
      await ask(path, body);
    }
    await ask("/api/v1/keys/nobody/enc_keys", "{}");
    // What a flood causes: lines of each kind, and those that count what was left out.
    const page = await node.logged(/msg="page"/, patience(40_000));
    const pagePort = Number(/:(\d+)\//.exec(page)?.[1]);
    const control = join(folder, "state", "control");
    for (let n = 0; n < 60; n++) {
      await said(connect({ host: "127.0.0.1", port: serverPort, localAddress: "127.0.0.2" }), got);
      await ask(`${path}?size=7`, got);
    }
    for (const socket of [connect(`${control}.read`), connect(control)]) await said(socket, got);
    // At once: one after another, a slow machine stays within what the page allows.
    const visits = Array.from({ length: 300 }, () =>
      said(connect({ host: "127.0.0.1", port: pagePort }), `GET /${got} HTTP/1.1\r\n\r\n`),
    );
    await Promise.all(visits);
    for (const kind of [/TLS handshake refused/, /key request refused/, /too many connections/]) {
      await node.logged(kind, patience(40_000));
    }
    await node.logged(/lines were left out/, patience(100_000));
    await node.stop("SIGKILL");
    node.start();
    await node.logged(/module up/, patience(40_000));
    const { hits } = canary.filesIn(folder);
    t.deepEqual(hits, []);
  });
});
