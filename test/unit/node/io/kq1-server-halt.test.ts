import { request } from "node:https";
import { connect } from "node:tls";
import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { KeyServer } from "../../../../src/node/io/https-server.ts";
import type { OnRequestKeys } from "../../../../src/node/keys/ports.ts";
import { QkdKey } from "../../../../src/port/key.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

const bits = 262_144;

function key(n: number): QkdKey {
  const id = `00000000-0000-8000-8000-${n.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number: n }, bits };
  return new QkdKey(id, facts, Buffer.alloc(bits / 8, n + 1), bits);
}

test("halted, the server cuts a response that is still being written, and no other", async (t) => {
  const ca = await createAuthority("halt CA");
  const own = await ca.issue({ commonName: "node", ip: ["127.0.0.1"], usage: "server" });
  const km = await ca.issue({ commonName: "km", dns: ["km"], usage: "client" });
  const desk: OnRequestKeys = {
    unitBits: bits,
    stored: 1_000,
    request: async ({ number }) => ({
      response: "success",
      keys: Array.from({ length: number }, (_, n) => key(n)),
    }),
  };
  const server = new KeyServer({
    host: "127.0.0.1",
    port: 0,
    tls: { ...own, ca: ca.cert },
    modules: () => [{ desk, moduleId: "A", matchingModuleId: "B", kmNames: ["km"] }],
    nodeId: "node",
    log: silentLog,
  });
  const port = await server.listen();
  const client = { cert: km.cert, key: km.key, ca: ca.cert };
  const path = (number: number) => `/api/v1/keys/B/enc_keys?number=${number}&size=${bits}`;

  // Some 16 MB, more than the system keeps for a client that does not read.
  const slow = connect({ host: "127.0.0.1", port, ...client });
  await new Promise((resolve) => slow.once("secureConnect", resolve));
  slow.on("error", () => {});
  slow.write(`GET ${path(90)} HTTP/1.1\r\nHost: node\r\n\r\n`.repeat(4));
  await new Promise((resolve) => slow.once("readable", resolve));
  server.halt();
  let read = 0;
  slow.on("data", (chunk: Buffer) => {
    read += chunk.length;
  });
  await new Promise((resolve) => slow.once("close", resolve));
  t.true(read < 4 * 3_900_000, `${read} bytes`);

  // It goes on serving: whether there are keys to give is the desk's word.
  const quick = request({ host: "127.0.0.1", port, path: path(1), ...client });
  quick.end();
  const answer = await new Promise<number>((resolve) =>
    quick.once("response", (one) => {
      one.resume();
      one.once("end", () => resolve(one.statusCode ?? 0));
    }),
  );
  t.is(answer, 200);
  await server.close();
});
