import { fork } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { silentLog } from "../../src/base/log.ts";
import { KeyServer } from "../../src/node/io/https-server.ts";
import { HttpsClient } from "../conformance/km/https.ts";
import { payload } from "../conformance/km/message.ts";
import type { Target, TestKey } from "../conformance/km/target.ts";
import { TcpClient } from "../conformance/km/tcp.ts";
import { eventually } from "../eventually.ts";
import { AskingDesk } from "../rig/asking-desk.ts";
import type { ProcessOptions } from "../rig/kq1-process.ts";
import { kmTexts, nodeTexts } from "../rig/kq1-servers.ts";
import { markLength, occurrences } from "../rig/process-memory.ts";

/** Keys in which one mark is over and over, so that any part of one is found. */
const mark = randomBytes(markLength);
const patterns = [mark, Buffer.from(mark.toString("base64")), Buffer.from(mark.toString("hex"))];

function marked(bytes: number): TestKey {
  const key = randomBytes(bytes);
  for (let i = 0; i + mark.length <= bytes; i += mark.length) mark.copy(key, i);
  return { id: randomUUID(), bits: bytes * 8, bytes: key };
}

/** Node.js hands on what TLS received by way of its stack: a record at most, until the next comes. */
const notStack = (mapping: string) => !mapping.includes("[stack");

async function started(t: ExecutionContext, options: ProcessOptions) {
  const file = new URL("../rig/kq1-process.ts", import.meta.url);
  // Where V8 gives up code that it compiled anew it leaves the processor's registers in memory of its own, the last bytes
  // that were copied among them: docs/threat-model.md. What the program itself leaves is looked for here.
  const execArgv = [...process.execArgv, "--no-opt", "--no-maglev"];
  const km = fork(file, [JSON.stringify(options)], { execArgv });
  t.teardown(() => void km.kill());
  const [ports] = (await once(km, "message")) as [{ tcp: number; https: number }];
  const found = (of = patterns) => occurrences(km.pid as number, of, notStack);
  return { ...ports, found };
}

async function targetAt(port: number, binding: Target["binding"]): Promise<Target> {
  return {
    host: "127.0.0.1",
    port,
    binding,
    serverName: "km",
    tls: await nodeTexts(),
    path: "/api/v1/keys/QKD-B-0001/store_key",
    moduleId: "QKD-A-0001",
    matchingModuleId: "QKD-B-0001",
    answerMs: 20_000,
  };
}

const lengths = [32, 47, 64, 300, 4_096, 32_000];

test("a key that was stored is nowhere in the key manager's memory, over TCP and HTTPS", async (t) => {
  const km = await started(t, { tls: await kmTexts() });
  for (const binding of ["tcp", "https"] as const) {
    const target = await targetAt(km[binding], binding);
    const client = binding === "tcp" ? await TcpClient.open(target) : new HttpsClient(target, 2);
    for (const length of lengths) {
      const bodies = Array.from({ length: length > 1_000 ? 5 : 60 }, () =>
        payload(target, marked(length)),
      );
      // Repeats are compared with what is held.
      for (let round = 0; round < 2; round++) {
        for (const { word } of await client.supplyAll(bodies)) t.is(word, "success");
      }
      const wrong = payload(target, marked(length), { hash_value: `sha-256:${"0".repeat(64)}` });
      t.is((await client.supply(wrong)).word, "hash_mismatch");
      const escaped = Buffer.from(
        payload(target, marked(length)).toString().replaceAll("/", "\\/"),
      );
      t.is((await client.supply(escaped)).word, "success");
    }
    t.is(km.found(), 0, binding);
    // Half a message, and the end of its connection.
    if (client instanceof TcpClient) {
      const half = payload(target, marked(300));
      const header = Buffer.from("00010000000100010000", "hex");
      header.writeUInt16BE(half.length, 8);
      client.send(Buffer.concat([header, half.subarray(0, half.length - 20)]));
    }
    client.close();
    const after = await TcpClient.open(await targetAt(km.tcp, "tcp"));
    const plain = { id: randomUUID(), bits: 256, bytes: Buffer.alloc(32) };
    t.is((await after.supply(payload(target, plain))).word, "success");
    after.close();
    t.is(km.found(), 0, `${binding}, closed`);
  }
});

test("a key that was asked for is nowhere in its memory once it is stored", async (t) => {
  const desk = new AskingDesk();
  const keyServer = new KeyServer({
    host: "127.0.0.1",
    port: 0,
    tls: await nodeTexts(),
    modules: () => [
      { desk, moduleId: "QKD-A-0001", matchingModuleId: "QKD-B-0001", kmNames: ["km"] },
    ],
    nodeId: "node",
    log: silentLog,
  });
  const askAt = await keyServer.listen();
  t.teardown(() => keyServer.close());
  const km = await started(t, { tls: await kmTexts(), askAt });
  await eventually("all five have ended", () => desk.ended.length, { atLeast: 5 });
  // Keys of this desk are one letter over and over.
  const letters = [Buffer.alloc(20, 0x5a), Buffer.from("WlpaWlpaWlpaWlpaWlpa")];
  const target = await targetAt(km.tcp, "tcp");
  const client = await TcpClient.open(target);
  t.is((await client.supply(payload(target, marked(32)))).word, "success");
  client.close();
  t.is(km.found(letters), 0);
});
