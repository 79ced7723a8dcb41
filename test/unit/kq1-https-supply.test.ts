import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import test from "ava";
import { HttpsSupply, supplyPath } from "../../src/kq1/https-supply.ts";
import { systemClock } from "../../src/port/clock.ts";
import type { Fault } from "../../src/port/errors.ts";
import { QkdKey } from "../../src/port/key.ts";
import { type Authority, createAuthority } from "../emulator/certificates.ts";

const authority: Promise<Authority> = createAuthority("HTTPS CA");

function key(n: number): QkdKey {
  const id = `00000000-0000-8000-8000-${n.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number: n }, bits: 256 };
  return new QkdKey(id, facts, Buffer.alloc(32, n + 1), 256);
}

interface Line {
  readonly supply: HttpsSupply;
  /** key_IDs that came, in order. */
  readonly came: string[];
  readonly answers: string[];
  answered(count: number): Promise<void>;
}

type Serve = (request: IncomingMessage, response: ServerResponse, keyId: string) => void;

async function withKm(
  connections: number,
  serve: Serve,
  body: (line: Line) => Promise<void>,
): Promise<void> {
  const ca = await authority;
  const km = await ca.issue({ commonName: "km", ip: ["127.0.0.1"], usage: "server" });
  const node = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const came: string[] = [];
  const server = createServer(
    { ...km, ca: ca.cert, requestCert: true, minVersion: "TLSv1.3", keepAliveTimeout: 60_000 },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("error", () => {});
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { key_ID } = JSON.parse(Buffer.concat(chunks).toString());
        came.push(key_ID);
        serve(request, response, key_ID);
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const answers: string[] = [];
  let check = () => {};
  const supply = new HttpsSupply(
    {
      endpoint: {
        host: "127.0.0.1",
        port,
        // An address: there is no SNI for it, and the certificate carries it.
        serverName: "127.0.0.1",
        tls: { ...node, ca: ca.cert },
        connectTimeoutMs: 5_000,
      },
      path: supplyPath("/{qkd_module_ID}/{matching_qkd_module_ID}", "A/1", "B 2"),
      moduleId: "A/1",
      matchingModuleId: "B 2",
      window: 16,
      connections,
      answerTimeoutMs: 20_000,
      clock: systemClock,
    },
    {
      answered: ({ id }, response) => {
        answers.push(`${Number.parseInt(id.slice(-12), 16)} ${response}`);
        check();
      },
    },
  );
  const answered = (count: number) =>
    new Promise<void>((resolve) => {
      check = () => answers.length >= count && resolve();
      check();
    });
  try {
    await body({ supply, came, answers, answered });
  } finally {
    await supply.close();
    // None is taken any more before those that there are go.
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }
}

const yes: Serve = (_request, response, keyId) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ key_ID: keyId }));
};

test("keys are posted to the path of the modules, and 200 with their key_ID is success", async (t) => {
  const paths = new Set<string | undefined>();
  const serve: Serve = (request, response, keyId) => {
    paths.add(`${request.method} ${request.url}`);
    yes(request, response, keyId);
  };
  await withKm(2, serve, async ({ supply, answers, answered }) => {
    for (let n = 0; n < 16; n++) supply.supply(key(n));
    t.is(supply.room, 0);
    await answered(16);
    t.is(supply.room, 16);
    t.true(answers.every((one) => one.endsWith(" success")));
    t.deepEqual([...paths], ["POST /A%2F1/B%202"]);
  });
});

test("a connection that the KM closed while it was idle costs nothing: the key goes over another", async (t) => {
  let closing = true;
  const serve: Serve = (request, response, keyId) => {
    yes(request, response, keyId);
    // At the next key, as a server does whose time for idle connections is up in that moment.
    if (closing) request.socket.once("data", () => request.socket.destroy());
    closing = false;
  };
  await withKm(1, serve, async ({ supply, answers, answered }) => {
    supply.supply(key(1));
    await answered(1);
    supply.supply(key(2));
    await answered(2);
    t.deepEqual(answers, ["1 success", "2 success"]);
  });
});

test("halted: what was written is answered, what waits for a connection never leaves", async (t) => {
  const held: (() => void)[] = [];
  const serve: Serve = (_, response, keyId) => {
    held.push(() => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ key_ID: keyId, response: "success" }));
    });
  };
  await withKm(2, serve, async ({ supply, came, answers, answered }) => {
    for (let n = 0; n < 2; n++) supply.supply(key(n));
    while (came.length < 2) await new Promise((resolve) => setImmediate(resolve));
    supply.halt();
    for (const answer of held.splice(0)) answer();
    await answered(2);
    t.is(answers.length, 2, "all was written: the answers count");
    for (let n = 2; n < 8; n++) supply.supply(key(n));
    while (came.length < 4) await new Promise((resolve) => setImmediate(resolve));
    supply.halt();
    const fault = (await supply.ended) as Fault;
    t.is(fault.message, "keys may not leave");
    for (const answer of held.splice(0)) answer();
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    t.is(came.length, 4);
  });
});

test("a new connection that breaks ends the session, and nothing leaves after that", async (t) => {
  let first = true;
  const serve: Serve = (request, response, keyId) => {
    if (first) request.socket.destroy();
    else yes(request, response, keyId);
    first = false;
  };
  await withKm(1, serve, async ({ supply, came, answers }) => {
    for (let n = 0; n < 8; n++) supply.supply(key(n));
    t.is(((await supply.ended) as Fault).code, "kq1.closed");
    t.is(supply.room, 0);
    supply.supply(key(9));
    // What waited for a connection had time for one.
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.is(came.length, 1);
    t.deepEqual(answers, []);
  });
});
