import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Agent, request } from "node:https";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { Wishes } from "../../../../src/km/acquisition/wishes.ts";
import { HttpsRequests } from "../../../../src/km/io/https-requests.ts";
import { KeyServer } from "../../../../src/node/io/https-server.ts";
import { HttpsSupply } from "../../../../src/node/io/https-supply.ts";
import { eventually } from "../../../eventually.ts";
import { AskingDesk } from "../../../rig/asking-desk.ts";
import { moduleA } from "../../../rig/kq1-intake.ts";
import { kmTexts, newKey, nodeTexts, serve } from "../../../rig/kq1-servers.ts";

const path = "/api/v1/keys/{matching_qkd_module_ID}/store_key";
const own = "/api/v1/keys/QKD-B-0001/store_key";

async function served(t: ExecutionContext, options: Parameters<typeof serve>[0] = {}) {
  const opened = await serve({ https: true, ...options });
  t.teardown(() => opened.server.close());
  return opened;
}

/** Posts over one connection, as a test says. */
async function poster(t: ExecutionContext, port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const tls = await nodeTexts();
  return (body: Buffer | string, more: { path?: string; headers?: Record<string, string> } = {}) =>
    new Promise<{ status: number; text: string; retryAfter: string | undefined }>(
      (resolve, reject) => {
        const { path = own, headers = {} } = more;
        const at = { host: "127.0.0.1", port, path, agent, method: "POST", headers };
        const asking = request({ ...at, ...tls }, (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => {
            text += chunk.toString();
          });
          response.once("end", () => {
            const retryAfter = response.headers["retry-after"];
            resolve({ status: response.statusCode ?? 0, text, retryAfter });
          });
        });
        asking.once("error", reject);
        asking.end(body);
      },
    );
}

interface Parts {
  readonly id?: string;
  readonly moduleId?: string;
  readonly wrongHash?: boolean;
}

function message({ id = randomUUID(), moduleId = "QKD-A-0001", wrongHash }: Parts = {}): string {
  const key = randomBytes(32);
  const digest = createHash("sha256").update(key).digest("hex");
  return JSON.stringify({
    qkd_module_ID: moduleId,
    matching_qkd_module_ID: "QKD-B-0001",
    key_ID: id,
    hash_value: `sha-256:${wrongHash ? "0".repeat(64) : digest}`,
    key: key.toString("base64"),
  });
}

test("keys of a node come in over HTTPS, short and long, over several connections", async (t) => {
  const { port, store } = await served(t);
  const answers = new Map<string, string>();
  const tls = await nodeTexts();
  const supply = new HttpsSupply(
    {
      endpoint: { host: "127.0.0.1", port, serverName: "km", tls, connectTimeout: ms(10_000) },
      path,
      moduleId: moduleA.moduleId,
      matchingModuleId: moduleA.matchingModuleId,
      window: 100,
      connections: 4,
      answerTimeout: ms(10_000),
      clock: systemClock,
    },
    { answered: ({ id }, word) => void answers.set(id, word) },
  );
  t.teardown(() => supply.close());
  const keys = Array.from({ length: 60 }, (_, i) => newKey(i % 20 === 0 ? 40_000 : 32));
  for (const key of keys) supply.supply(key);
  await eventually("60 answers", () => answers.size, { atLeast: 60 });
  t.true([...answers.values()].every((word) => word === "success"));
  t.is(store.entries.size, 60);
});

test("a batch is answered key by key, with the status of the first that was refused", async (t) => {
  const { port, store } = await served(t);
  const post = await poster(t, port);
  const ids = Array.from({ length: 4 }, () => randomUUID());
  const batch = (parts: readonly Parts[]) =>
    `{"keys":[${parts.map((one, i) => message({ id: ids[i] as string, ...one })).join(",")}]}`;
  const mixed = await post(batch([{}, { wrongHash: true }, { moduleId: "QKD-X" }, {}]));
  t.is(mixed.status, 422);
  t.deepEqual(JSON.parse(mixed.text), {
    keys: [
      { key_ID: ids[0], response: "success" },
      { key_ID: ids[1], response: "hash_mismatch" },
      { key_ID: ids[2], response: "unknown_module" },
      { key_ID: ids[3], response: "success" },
    ],
  });
  t.is(store.entries.size, 2);
  const good = Array.from({ length: 500 }, () => message());
  const all = await post(`{"keys":[${good.join(",")}]}`);
  t.is(all.status, 200);
  t.is(JSON.parse(all.text).keys.length, 500);
  t.is(store.entries.size, 502);
  t.is((await post('{"keys":[1]}')).text, '{"keys":[{"response":"invalid_message"}]}');
});

test("what is said of a key is in the body and in the status", async (t) => {
  const { port, store } = await served(t);
  const post = await poster(t, port);
  const id = randomUUID();
  const said = async (body: string, more?: Parameters<typeof post>[1]) => {
    const { status, text } = await post(body, more);
    return [status, JSON.parse(text).response, JSON.parse(text).key_ID];
  };
  t.deepEqual(await said(message({ id })), [200, "success", id]);
  t.deepEqual(await said(message({ id })), [409, "duplicate_key_ID", id]);
  const other = randomUUID();
  t.deepEqual(await said(message({ id: other, wrongHash: true })), [422, "hash_mismatch", other]);
  t.deepEqual(await said(message({ id: other, moduleId: "X" })), [404, "unknown_module", other]);
  const elsewhere = { path: "/api/v1/keys/QKD-X/store_key" };
  t.deepEqual(await said(message({ id: other }), elsewhere), [400, "invalid_message", other]);
  store.fullness = "full";
  t.deepEqual(await said(message({ id: other })), [507, "storage_full", other]);
});

test("what cannot be about a key names none: a node takes it for no answer, and keeps the key", async (t) => {
  const { port, store } = await served(t);
  const cases: readonly (readonly [number, string, Record<string, unknown>?])[] = [
    [400, "{"],
    [400, ""],
    [404, message(), { path: "/" }],
    [404, message(), { path: "/api/v1/keys/a/b/store_key" }],
    [404, message(), { path: "/api/v1/keys/%ff/store_key" }],
    [415, message(), { headers: { "content-encoding": "gzip" } }],
    [413, " ".repeat(1_048_577)],
  ];
  for (const [status, body, more] of cases) {
    const post = await poster(t, port);
    const said = await post(body, more).catch(() => undefined);
    // A body that is too long may still be on its way when the connection is closed.
    if (said === undefined && status === 413) continue;
    t.is(said?.status, status, body.slice(0, 30));
    t.false(said?.text.includes("key_ID"));
  }
  t.is(store.entries.size, 0);
  const post = await poster(t, port);
  t.is((await post(message())).status, 200);
});

test("keys are asked for over HTTPS until there are enough, again under a name that was not answered", async (t) => {
  const { store, turn } = await served(t);
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
  const port = await keyServer.listen();
  t.teardown(() => keyServer.close());
  // The first answer never comes: the connection is cut while the node thinks.
  desk.before = async () => {
    if (desk.asked.length === 1) desk.asked[0]?.cut?.();
  };
  const tls = await kmTexts();
  const requests = new HttpsRequests({
    module: moduleA,
    wishes: new Wishes({
      size: 256,
      number: 100,
      stock: () => store.use().bufferedBytes,
      low: 8_000,
      high: 16_000,
      hasRoom: () => true,
      firstWaitMs: 10,
      lastWaitMs: 100,
      answerTimeout: ms(10_000),
      drawToken: randomUUID,
      random: () => 0.5,
    }),
    host: "127.0.0.1",
    port,
    serverName: "127.0.0.1",
    tls: () => tls,
    turn,
    clock: systemClock,
    answerTimeout: ms(10_000),
    log: silentLog,
  });
  t.teardown(() => requests.close());
  await eventually("500 keys", () => store.entries.size, { atLeast: 500 });
  t.is(desk.asked[0]?.token, desk.asked[1]?.token);
  t.is(new Set(desk.asked.map(({ token }) => token)).size, desk.asked.length - 1);
  t.true(desk.asked.every(({ number, size }) => number === 100 && size === 256));
  t.is(requests.keys.counts.success, store.entries.size);
});
