import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/port/clock.ts";
import { keyBytes } from "../conformance/qmlp.ts";
import { createAuthority, writeAuthority, writeIdentity } from "../emulator/certificates.ts";
import { PairEnd } from "../emulator/end.ts";
import { answerWith, dropConnection, KeyManager } from "../emulator/km/index.ts";
import { testWith } from "../needs.ts";
import { NodeProcess } from "../rig/node-process.ts";

const epoch = "00112233aabbccdd";
const bits = 1_024;

interface Bench {
  readonly folder: string;
  readonly end: PairEnd;
  readonly km: KeyManager;
  readonly node: NodeProcess;
  /** Where the node serves keys over HTTPS. */
  readonly serverPort: number;
  distil(blocks: number): void;
  until(condition: () => boolean): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One node with a module and a KM, each other's certificates made for the occasion. */
async function withNode(
  options: { readonly transport: "tls" | "https"; readonly mode: "proactive" | "on_request" },
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-modes-"));
  const ca = await createAuthority("modes CA");
  const kmIdentity = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const asClient = await ca.issue({ commonName: "km", dns: ["km"], usage: "client" });
  const stranger = await ca.issue({ commonName: "eve", dns: ["eve"], usage: "client" });
  const server = await ca.issue({ commonName: "node", dns: ["node"], usage: "server" });
  const client = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const km = new KeyManager({
    security: { ...kmIdentity, ca: ca.cert },
    binding: options.transport === "https" ? "https" : "tcp",
  });
  const port = await km.listen();
  await writeAuthority(folder, "ca", ca);
  await writeIdentity(folder, "km", asClient);
  await writeIdentity(folder, "eve", stranger);
  const served = await writeIdentity(folder, "server", server);
  const own = await writeIdentity(folder, "node", client);
  const end = new PairEnd({
    role: "alice",
    folder,
    transport: "serial",
    baud: 0,
    clock: systemClock,
    seed: 1,
    maxBlocks: undefined,
    telemetry: () => ({ values: {} }),
  });
  end.plug();
  const serverPort = await freePort();
  const q = JSON.stringify;
  const config = join(folder, "node.toml");
  writeFileSync(
    config,
    `[node]
id = "node"
state_dir = ${q(join(folder, "state"))}
[server]
host = "127.0.0.1"
port = ${serverPort}
ca = "ca.crt"
cert = ${q(served.cert)}
key = ${q(served.key)}
[km.main]
host = "127.0.0.1"
port = ${port}
transport = "${options.transport}"
server_name = "km"
ca = "ca.crt"
cert = ${q(own.cert)}
key = ${q(own.key)}
[[module]]
name = "alice"
km = "main"
mode = "${options.mode}"
[module.driver]
kind = "qmlp"
path = ${q(join(folder, "alice.tty"))}
`,
  );
  const node = new NodeProcess(config, join(folder, "log.txt"));
  node.start();
  let number = 0;
  const deadline = AbortSignal.timeout(50_000);
  try {
    await body({
      folder,
      end,
      km,
      node,
      serverPort,
      distil(blocks) {
        for (let i = 0; i < blocks; i++) {
          end.module.distill(
            { ref: { epoch, number }, bits, qber: 0.02 },
            keyBytes(number++, bits),
          );
        }
      },
      async until(condition) {
        while (!condition()) {
          deadline.throwIfAborted();
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    });
  } finally {
    await node.stop("SIGKILL");
    end.unplug();
    end.module.close();
    await km.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function assertDistinct(t: ExecutionContext, km: KeyManager, keys: number): void {
  t.is(km.store.size, keys);
  t.is(new Set(km.store.digest(Buffer.alloc(32)).values()).size, keys, "each key under one ID");
  t.is(km.store.summary().conflicts, 0);
}

test.serial("over HTTPS every key is posted once, whatever the KM answers or drops", async (t) => {
  await withNode({ transport: "https", mode: "proactive" }, async ({ km, end, distil, until }) => {
    km.behave(answerWith("busy", 3));
    km.behave(answerWith("hash_mismatch", 2));
    distil(40);
    await until(() => km.store.size >= 10);
    km.behave(dropConnection("before storing", 2));
    km.behave(dropConnection("before answering", 3));
    distil(40);
    await until(() => end.module.heldBlocks === 0);
    assertDistinct(t, km, 80);
    t.true(km.store.summary().repeats >= 3);
  });
});

test.serial(
  "upon request over TCP: what is asked for, once, also across a kill of the node",
  async (t) => {
    await withNode(
      { transport: "tls", mode: "on_request" },
      async ({ km, node, distil, until }) => {
        distil(8);
        await until(() => km.counts.open > 0);
        const ask = async (asked: object, messageId?: number) => {
          for (;;) {
            // Until the module's blocks are with the node, and while it is away.
            const answer = await km.request({ ...asked }, messageId).catch(() => undefined);
            if (answer !== undefined && !/no_keys_available|busy/.test(answer.response))
              return answer;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        };
        const first = await ask({ number: 3, size: 256 }, 500);
        t.is(first.ids.length, 3);
        t.deepEqual((await ask({ number: 3, size: 256 }, 500)).ids, first.ids);
        t.is((await ask({ size: 64 }, 501)).ids.length, 1);
        t.is((await ask({ size: 100_000 })).response, "key_length_unsupported");
        await node.stop("SIGKILL");
        node.start();
        await until(() => km.counts.open > 0);
        t.deepEqual(
          (await ask({ number: 3, size: 256 }, 500)).ids,
          first.ids,
          "the same request again",
        );
        let keys = 4;
        // Eight blocks are 32 units; three went whole, one in quarters.
        for (;;) {
          const { ids } = await ask({ number: 7, size: 256 });
          keys += ids.length;
          if (keys >= 4 + 28) break;
        }
        t.like(await km.request({ size: 256 }), { response: "no_keys_available", ids: [] });
        t.is((await ask({ number: 9, size: 64 })).ids.length, 3);
        assertDistinct(t, km, 35);
      },
    );
  },
);

test.serial("a request that can't be read is answered, and ends the connection", async (t) => {
  await withNode({ transport: "tls", mode: "on_request" }, async ({ km, until }) => {
    for (const bad of [
      "{",
      "[]",
      '{"number":0}',
      '{"size":12}',
      '{"number":"3"}',
      '{"extension":1}',
    ]) {
      await until(() => km.counts.open > 0);
      const before = km.counts.connections;
      t.like(await km.request(Buffer.from(bad)), { response: "invalid_message", ids: [] }, bad);
      await until(() => km.counts.connections > before);
    }
  });
});

testWith(
  "curl",
  "a stock HTTPS client fetches keys from a node, and a stranger does not",
  async (t, curl) => {
    await withNode({ transport: "https", mode: "on_request" }, async (bench) => {
      const { folder, serverPort, end, distil, until } = bench;
      const run = (path: string, ...more: string[]) => {
        const { status, stdout, stderr } = spawnSync(
          curl,
          [
            ...["--silent", "--show-error", "--max-time", "10", "--write-out", "\n%{http_code}"],
            ...["--cacert", join(folder, "ca.crt")],
            ...["--resolve", `node:${serverPort}:127.0.0.1`],
            ...more,
            `https://node:${serverPort}/api/v1/keys/${path}`,
          ],
          { encoding: "utf8" },
        );
        const [body = "", code = ""] = stdout.split(/\n(?=\d+$)/);
        return { status, stderr, code: Number(code), json: body === "" ? {} : JSON.parse(body) };
      };
      const as = (name: string) => [
        ...["--cert", join(folder, `${name}.crt`)],
        ...["--key", join(folder, `${name}.key`)],
      ];
      distil(2);
      await until(() => {
        const { code, json } = run("QKD-B-0001/status", ...as("km"));
        return code === 200 && json.stored_key_count === 8;
      });
      const get = run("QKD-B-0001/enc_keys?number=2&size=256", ...as("km"));
      t.like(get, { code: 200, json: { response: "success" } });
      t.is(get.json.keys.length, 2);
      // A length in bytes after base64, and no key in a failure's text.
      t.true(
        get.json.keys.every(({ key }: { key: string }) => Buffer.from(key, "base64").length === 32),
      );
      const post = run("QKD-B-0001/enc_keys", ...as("km"), "--json", '{"number":1,"size":128}');
      t.like(post, { code: 200 });
      const again = ["--header", "Idempotency-Key: 7", "--json", '{"size":128}'];
      const one = run("QKD-B-0001/enc_keys", ...as("km"), ...again).json.keys[0].key_ID;
      t.is(run("QKD-B-0001/enc_keys", ...as("km"), ...again).json.keys[0].key_ID, one);
      const ids = [...get.json.keys, ...post.json.keys].map(({ key_ID }) => key_ID);
      t.is(new Set([...ids, one]).size, 4);
      for (const [path, code, args] of [
        ["QKD-B-0001/enc_keys?number=0", 400, as("km")],
        ["QKD-B-0001/enc_keys?size=100000", 400, as("km")],
        ["QKD-B-0001/enc_keys", 400, [...as("km"), "--json", "{"]],
        ["QKD-B-0001/enc_keys", 413, [...as("km"), "--json", `{"x":"${"y".repeat(5_000)}"}`]],
        ["QKD-B-0001/enc_keys", 405, [...as("km"), "--request", "DELETE"]],
        ["QKD-B-0001/other", 401, as("km")],
        ["QKD-X/enc_keys", 401, as("km")],
        ["QKD-B-0001/enc_keys", 401, as("eve")],
      ] as const) {
        const refused = run(path, ...args);
        t.is(refused.code, code, path);
        t.deepEqual(refused.json.keys, []);
      }
      t.not(run("QKD-B-0001/enc_keys").status, 0, "without a certificate there is no connection");
      t.not(run("QKD-B-0001/status", ...as("km"), "--tls-max", "1.2").status, 0);
      // 8 units: 2 gone, one begun by 128 bits twice; the rest at once, and then none.
      const rest = run("QKD-B-0001/enc_keys?number=100", ...as("km"));
      t.is(rest.json.keys.length, 5);
      t.is(run("QKD-B-0001/enc_keys", ...as("km")).code, 503);
      await until(() => end.module.heldBlocks <= 1);
    });
  },
);
