import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { writeIdentity } from "../emulator/certificates.ts";
import {
  answerWith,
  type Behaviour,
  dropConnection,
  type KeyManager,
} from "../emulator/km/index.ts";
import { misbehaviours } from "../emulator/km/misbehaviours.ts";
import { testWhole, testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { withNode } from "../rig/one-node.ts";

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
    await until("keys at the KM", () => km.store.size, { atLeast: 10 });
    km.behave(dropConnection("before storing", 2));
    km.behave(dropConnection("before answering", 3));
    distil(40);
    await until("blocks that the module holds", () => end.module.heldBlocks, { is: 0 });
    assertDistinct(t, km, 80);
    t.true(km.store.summary().repeats >= 3);
  });
});

testWhole.serial(
  "a proxy that answers in the KM's place is told of, and no key is lost to it",
  async (t) => {
    await withNode({ transport: "https", mode: "proactive" }, async (bench) => {
      const { km, node, end, distil, until } = bench;
      const says = (pattern: RegExp) => node.logged(pattern, patience(50_000));
      const gateway = misbehaviours.gateway as (times: number) => Behaviour;
      const stop = km.behave(gateway(1_000_000));
      distil(20);
      t.regex(
        await says(/alarm raised.*km_silent/),
        /main: something between .* HTTP 403, text\/html/,
      );
      stop();
      await says(/alarm cleared.*km_silent/);
      await until("blocks that the module holds", () => end.module.heldBlocks, { is: 0 });
      assertDistinct(t, km, 20);
      t.false(node.lines.some((line) => line.includes("quarantined")));
    });
  },
);

testWhole.serial(
  "upon request over TCP: what is asked for, once, also across a kill of the node",
  async (t) => {
    await withNode(
      { transport: "tls", mode: "on_request" },
      async ({ km, node, distil, until }) => {
        distil(8);
        await until("connections at the KM", () => km.counts.open, { atLeast: 1 });
        // Until the module's blocks are with the node, and while it is away.
        const ask = (asked: object, token?: string) =>
          until("an answer", () => km.request({ ...asked }, token), {
            when: ({ response }) => !/no_keys_available|busy/.test(response),
          });
        const token = "the first wish of all";
        const first = await ask({ number: 3, size: 256 }, token);
        t.is(first.ids.length, 3);
        t.deepEqual((await ask({ number: 3, size: 256 }, token)).ids, first.ids);
        t.is((await ask({ number: 2, size: 256 }, token)).response, "invalid_message");
        t.is(
          (await ask({ size: 64 }, "too short a token".slice(0, 15))).response,
          "invalid_message",
        );
        t.is((await ask({ size: 64 })).ids.length, 1);
        t.is((await ask({ size: 100_000 })).response, "key_length_unsupported");
        await node.stop("SIGKILL");
        node.start();
        await until("connections at the KM", () => km.counts.open, { atLeast: 1 });
        t.deepEqual(
          (await ask({ number: 3, size: 256 }, token)).ids,
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

test.serial(
  "certificates are renewed while keys flow; a KM that is revoked gets no more",
  async (t) => {
    await withNode({ transport: "tls", mode: "proactive" }, async (bench) => {
      const { ca, folder, km, node, end, distil, until } = bench;
      const says = (pattern: RegExp) => node.logged(pattern, patience(50_000));
      distil(5);
      await until("keys at the KM", () => km.store.size, { is: 5 });
      const { connections } = km.counts;
      const renewed = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
      await writeIdentity(folder, "node", renewed);
      node.signal("SIGHUP");
      await says(/certificates changed/);
      distil(5);
      await until("keys at the KM", () => km.store.size, { is: 10 });
      // What the KM had shown was checked again: no connection was made, and none was ended.
      t.like(km.counts, { connections, open: 1 });
      const { security } = km.options;
      if (security === "plain") throw new Error("not with TLS");
      writeFileSync(join(folder, "km.crl"), await ca.revoke([String(security.cert)]));
      node.signal("SIGHUP");
      await says(/certificate was revoked/);
      await until("connections at the KM", () => km.counts.open, { is: 0 });
      distil(3);
      writeFileSync(join(folder, "km.crl"), await ca.revoke([]));
      await until("blocks that the module holds", () => end.module.heldBlocks, { is: 0 });
      assertDistinct(t, km, 13);
    });
  },
);

testWhole.serial("a request that can't be read is answered, and ends the connection", async (t) => {
  await withNode({ transport: "tls", mode: "on_request" }, async ({ km, until }) => {
    for (const bad of ["{", "[]"]) {
      await until("connections at the KM", () => km.counts.open, { atLeast: 1 });
      const before = km.counts.connections;
      t.like(await km.request(Buffer.from(bad)), { response: "invalid_message", ids: [] }, bad);
      await until("connections so far", () => km.counts.connections, { atLeast: before + 1 });
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
      await until("eight keys are offered", () => {
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
      const short = ["--header", "Idempotency-Key: 7", "--json", '{"size":128}'];
      t.like(run("QKD-B-0001/enc_keys", ...as("km"), ...short), { code: 400 });
      const again = ["--header", `Idempotency-Key: ${randomUUID()}`, "--json", '{"size":128}'];
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
        ["QKD-B-0001/other", 404, as("km")],
        ["QKD-X/enc_keys", 401, as("km")],
        ["QKD-B-0001/enc_keys", 401, as("eve")],
      ] as const) {
        const refused = run(path, ...args);
        t.is(refused.code, code, path);
        t.deepEqual(refused.json.keys, []);
      }
      t.not(run("QKD-B-0001/enc_keys").status, 0, "without a certificate there is no connection");
      t.not(run("QKD-B-0001/enc_keys", ...as("former")).status, 0, "nor with one that was revoked");
      t.not(run("QKD-B-0001/status", ...as("km"), "--tls-max", "1.2").status, 0);
      // 8 units: 2 gone, one begun by 128 bits twice; the rest at once, and then none.
      const rest = run("QKD-B-0001/enc_keys?number=100", ...as("km"));
      t.is(rest.json.keys.length, 5);
      t.is(run("QKD-B-0001/enc_keys", ...as("km")).code, 503);
      await until("at most a block is left", () => end.module.heldBlocks <= 1);
    });
  },
);

testWith("openssl", "openssl s_client is enough to ask a node for a key", async (t, openssl) => {
  await withNode({ transport: "https", mode: "on_request" }, async (bench) => {
    const { folder, node, serverPort, distil, until } = bench;
    const ask = (path: string) => {
      const { stdout } = spawnSync(
        openssl,
        [
          ...["s_client", "-quiet", "-tls1_3", "-verify_return_error", "-servername", "node"],
          // As OpenSSL before 3.5 has it.
          ...["-groups", "X25519"],
          ...["-connect", `127.0.0.1:${serverPort}`, "-CAfile", join(folder, "ca.crt")],
          ...["-cert", join(folder, "km.crt"), "-key", join(folder, "km.key")],
        ],
        {
          input: `GET /api/v1/keys/QKD-B-0001/${path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n`,
          encoding: "utf8",
          timeout: 10_000,
        },
      );
      const [head = "", body = ""] = stdout.split("\r\n\r\n");
      return { head, json: body === "" ? {} : JSON.parse(body) };
    };
    distil(1);
    await until("keys stored", () => ask("status").json.stored_key_count, { is: 4 });
    const { head, json } = ask("enc_keys?number=4");
    t.regex(head, /^HTTP\/1\.1 200 OK\r\n/);
    t.is(json.keys.length, 4);
    const alarm = /alarm raised.*classical_link\.server.*X25519/;
    await node.logged(alarm, patience(50_000));
  });
});
