import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import type { Fault } from "../../../../src/base/errors.ts";
import { createLog } from "../../../../src/base/log.ts";
import { clientTls, serverTls } from "../../../../src/host/tls/options.ts";
import { groupOf, isPostQuantum, peerOf } from "../../../../src/host/tls/peer.ts";
import { connectKm } from "../../../../src/node/io/connect.ts";
import { KeyServer } from "../../../../src/node/io/https-server.ts";
import {
  createAuthority,
  type Identity,
  writeAuthority,
  writeIdentity,
} from "../../../emulator/certificates.ts";
import { testWith } from "../../../needs.ts";
import { freePort } from "../../../rig/free-port.ts";

const never = new AbortController().signal;
const hybrid = "X25519MLKEM768";
const authority = createAuthority("groups CA");
const asKm = { commonName: "km", dns: ["km"], usage: "both" } as const;

async function attempt(port: number, own: Identity, requirePq: boolean): Promise<string> {
  const tls = { ...own, ca: (await authority).cert, requirePq };
  const endpoint = { host: "127.0.0.1", port, serverName: "km", tls, connectTimeout: ms(5_000) };
  try {
    const socket = await connectKm(endpoint, systemClock, never);
    const group = peerOf(socket)?.group ?? "none";
    socket.destroy();
    return group;
  } catch (error) {
    return (error as Fault).message;
  }
}

/** A peer with these options; what it is asked by Node's client with those. */
async function groups(server: object, client: object): Promise<readonly [string, string]> {
  const ca = await authority;
  const identity = await ca.issue(asKm);
  let there = "";
  const listening = createServer({ ...identity, ca: ca.cert, ...server }, (socket) => {
    there = groupOf(socket);
    socket.on("error", () => {});
    socket.end("x");
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as { port: number };
  const socket = connect({ host: "127.0.0.1", port, ...identity, ca: ca.cert, ...client });
  await once(socket, "data");
  const here = groupOf(socket);
  socket.destroy();
  listening.close();
  return [there, here];
}

test("both ends offer X25519MLKEM768 first, and both can tell what it came to", async (t) => {
  const ca = await authority;
  const identity = await ca.issue(asKm);
  const texts = { ...identity, ca: ca.cert };
  const server = serverTls(texts, true);
  const client = clientTls(texts, "km", Date.now);
  const classical = { servername: "km", minVersion: "TLSv1.3" };
  t.deepEqual(await groups(server, client), [hybrid, hybrid]);
  t.deepEqual(await groups(server, { ...classical, ecdhCurve: "X25519" }), ["X25519", "X25519"]);
  t.deepEqual(await groups({ ecdhCurve: "P-256" }, client), ["P-256", "P-256"]);
  t.deepEqual(
    await groups(server, { ...classical, ecdhCurve: `X25519:${hybrid}` }),
    [hybrid, hybrid],
    "also with a client that likes another better",
  );
  t.deepEqual([hybrid, "X25519", "unknown"].map(isPostQuantum), [true, false, false]);
});

test("with require_pq a KM that has no X25519MLKEM768 gets no connection, and it is told why", async (t) => {
  const ca = await authority;
  const identity = await ca.issue(asKm);
  for (const [ecdhCurve, expected] of [
    ["X25519", /require_pq/],
    [`X25519:${hybrid}`, /^X25519MLKEM768$/],
  ] as const) {
    const server = createServer({ ...identity, ecdhCurve, minVersion: "TLSv1.3" }, (socket) =>
      socket.on("error", () => {}),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    t.regex(await attempt(port, identity, true), expected);
    server.close();
  }
});

/** Files of a certificate, for programs. */
async function folderWith(t: ExecutionContext, identity: Identity): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-groups-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  await writeAuthority(folder, "ca", await authority);
  await writeIdentity(folder, "km", identity);
  return folder;
}

/** As OpenSSL before 3.5, which has no more. */
const curves = ["-groups", "X25519"];

testWith(
  "openssl",
  "a KM on OpenSSL of before 3.5 is served, and refused by require_pq",
  async (t, openssl) => {
    const identity = await (await authority).issue(asKm);
    const folder = await folderWith(t, identity);
    const port = await freePort();
    const program: ChildProcess = spawn(
      openssl,
      [
        ...["s_server", "-accept", `127.0.0.1:${port}`, "-tls1_3", "-Verify", "1", ...curves],
        ...["-CAfile", "ca.crt", "-cert", "km.crt", "-key", "km.key"],
      ],
      { cwd: folder, stdio: ["pipe", "pipe", "pipe"] },
    );
    t.teardown(() => program.kill());
    let said = "";
    await new Promise<void>((resolve) =>
      program.stdout?.on("data", (chunk) => {
        said += chunk;
        if (said.includes("ACCEPT")) resolve();
      }),
    );
    t.is(await attempt(port, identity, false), "X25519");
    t.regex(await attempt(port, identity, true), /require_pq allows nothing else/);
  },
);

testWith(
  "openssl",
  "a client on OpenSSL of before 3.5 is served, and refused by require_pq",
  async (t, openssl) => {
    const ca = await authority;
    const identity = await ca.issue(asKm);
    const folder = await folderWith(t, identity);
    const lines: string[] = [];
    const options = {
      host: "127.0.0.1",
      port: 0,
      modules: () => [],
      nodeId: "node",
      log: createLog((line) => lines.push(line), "debug"),
    };
    const run = (port: number) =>
      new Promise<string>((resolve) => {
        const program = spawn(
          openssl,
          [
            ...[
              "s_client",
              "-connect",
              `127.0.0.1:${port}`,
              "-tls1_3",
              "-CAfile",
              "ca.crt",
              ...curves,
            ],
            ...["-cert", "km.crt", "-key", "km.key", "-servername", "km", "-ign_eof"],
          ],
          { cwd: folder, stdio: ["pipe", "pipe", "pipe"] },
        );
        let said = "";
        program.stdout.on("data", (chunk) => {
          said += chunk;
        });
        program.on("close", () => resolve(said));
        program.stdin.write(
          "GET /api/v1/keys/B/status HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n",
        );
      });
    const tls = { ...identity, ca: ca.cert };
    const server = new KeyServer({ ...options, tls });
    t.regex(await run(await server.listen()), /HTTP\/1\.1 401/);
    t.deepEqual(server.keyExchanges, ["X25519"], "of the last one");
    await server.close();
    const strict = new KeyServer({ ...options, tls: { ...tls, requirePq: true } });
    t.notRegex(await run(await strict.listen()), /HTTP\/1\.1/);
    t.true(
      lines.some((line) => /require_pq allows nothing else/.test(line)),
      lines.join("\n"),
    );
    await strict.close();
  },
);
