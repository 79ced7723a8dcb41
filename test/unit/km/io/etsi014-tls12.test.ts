/** The door of applications for devices that have no TLS 1.3: off unless configured, and then with good suites alone. */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type SecureVersion } from "node:tls";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { ApplicationKeys } from "../../../../src/km/applications/keys.ts";
import { ApplicationTable } from "../../../../src/km/applications/table.ts";
import { Etsi014Server } from "../../../../src/km/io/etsi014-server.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { testWith } from "../../../needs.ts";
import { MemoryKeyStore } from "../../../rig/memory-key-store.ts";

const run = promisify(execFile);

async function open(t: ExecutionContext, tls12: boolean) {
  const ca = await createAuthority("applications CA");
  const own = await ca.issue({ commonName: "km-a", dns: ["localhost"], usage: "server" });
  const shown = await ca.issue({ commonName: "a", dns: ["a"], usage: "client" });
  const rate = { keysPerS: 1_000, burst: 1_000 };
  const table = new ApplicationTable("km-a", [
    { id: "a", km: "km-a", names: ["a"], partners: [], rate },
  ]);
  const server = new Etsi014Server({
    host: "127.0.0.1",
    port: 0,
    tls: { ...own, ca: ca.cert, tls12 },
    table: () => table,
    keys: new ApplicationKeys({
      me: "km-a",
      table: () => table,
      links: [],
      limits: { standard: 256, least: 64, most: 65_536, number: 128, saes: 0 },
      outstanding: 10_000,
      pickUp: 60,
      answerTimeout: ms(1_000),
      prepared: 0,
      now: () => performance.now(),
      after: (ms, fn) => void setTimeout(fn, ms),
    }),
    store: new MemoryKeyStore() as never,
    log: silentLog,
  });
  const port = await server.listen();
  t.teardown(() => server.close());
  const folder = mkdtempSync(join(tmpdir(), "qkd-tls12-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of [
    ["ca", ca.cert],
    ["cert", shown.cert],
    ["key", shown.key],
  ] as const) {
    writeFileSync(join(folder, name), text);
  }
  /** @returns version and suite of the connection, or why there is none */
  const attempt = async (version: SecureVersion, ciphers?: string) => {
    const socket = connect({
      ...{ host: "127.0.0.1", port, servername: "localhost", ...shown, ca: ca.cert },
      ...{ minVersion: version, maxVersion: version, ...(ciphers && { ciphers }) },
    });
    try {
      await once(socket, "secureConnect");
      socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
      await once(socket, "data");
      return `${socket.getProtocol()} ${socket.getCipher().name}`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    } finally {
      socket.destroy();
    }
  };
  return { server, port, folder, attempt };
}

test("without the option there is TLS 1.3 alone", async (t) => {
  const { attempt } = await open(t, false);
  t.regex((await attempt("TLSv1.3")) ?? "", /^TLSv1\.3 /);
  t.is(await attempt("TLSv1.2"), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
});

test("with it there is TLS 1.2 with ephemeral keys and authenticated encryption, and nothing else", async (t) => {
  const { server, attempt } = await open(t, true);
  t.regex((await attempt("TLSv1.3")) ?? "", /^TLSv1\.3 TLS_AES_256_GCM_SHA384$/);
  t.deepEqual(server.keyExchanges, ["X25519MLKEM768"]);
  for (const suite of [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
  ]) {
    t.is(await attempt("TLSv1.2", suite), `TLSv1.2 ${suite}`);
  }
  for (const suite of [
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA",
    "DHE-RSA-AES256-GCM-SHA384",
    "AES256-GCM-SHA384",
  ]) {
    t.regex((await attempt("TLSv1.2", suite)) ?? "", /HANDSHAKE_FAILURE/, suite);
  }
  const old = await attempt("TLSv1.1", "ALL:@SECLEVEL=0");
  t.regex(old ?? "", /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS/);
});

testWith("curl", "curl is answered over TLS 1.2", async (t, curl) => {
  const { port, folder } = await open(t, true);
  const files = ["--cacert", `${folder}/ca`, "--cert", `${folder}/cert`, "--key", `${folder}/key`];
  const url = `https://localhost:${port}/api/v1/keys/b/status`;
  const { stderr } = await run(curl, ["-sv", "--tls-max", "1.2", "-4", ...files, url]);
  t.regex(stderr, /TLSv1\.2 .*ECDHE-ECDSA-AES256-GCM-SHA384/);
  // It is known, and its partner is not.
  t.regex(stderr, /HTTP\/1\.1 401/);
});

testWith(
  "openssl",
  "no session of TLS 1.2 is resumed, and none negotiated anew",
  async (t, openssl) => {
    const { port, folder } = await open(t, true);
    const files = ["-CAfile", `${folder}/ca`, "-cert", `${folder}/cert`, "-key", `${folder}/key`];
    const at = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost", "-tls1_2"];
    const say = async (more: readonly string[], input: string) => {
      const child = spawn(openssl, [...at, ...files, ...more], { stdio: ["pipe", "pipe", "pipe"] });
      let said = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          said += text;
        });
      }
      child.stdin.on("error", () => {});
      child.stdin.end(input);
      await once(child, "close");
      return said;
    };
    const again = await say(["-reconnect"], "Q\n");
    t.is(again.match(/^New, TLSv1\.2/gm)?.length, 6, again);
    t.notRegex(again, /^Reused/m);
    t.regex(await say([], "R\n"), /no renegotiation/);
  },
);
