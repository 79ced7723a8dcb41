/** One node with one emulated module and one KM, with certificates made for the occasion. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { keyBytes } from "../conformance/qmlp.ts";
import {
  type Authority,
  createAuthority,
  writeAuthority,
  writeIdentity,
} from "../emulator/certificates.ts";
import { PairEnd } from "../emulator/end.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { type Expected, eventually } from "../eventually.ts";
import { freePort } from "./free-port.ts";
import { LateDoors } from "./late.ts";
import { NodeProcess } from "./node-process.ts";

const epoch = "00112233aabbccdd";
const bits = 1_024;

export interface OneNode {
  readonly folder: string;
  readonly ca: Authority;
  readonly end: PairEnd;
  readonly km: KeyManager;
  readonly node: NodeProcess;
  /** Where the node serves keys over HTTPS. */
  readonly serverPort: number;
  /** Has the module distil that many blocks of 1,024 bits; or one of these bytes. */
  distil(blocks: number | Buffer): void;
  /** {@link eventually}, whose message has what the node logged last. */
  until<T>(what: string, probe: () => T | Promise<T>, more?: Expected<NoInfer<T>>): Promise<T>;
}

export async function withNode(
  options: {
    readonly transport: "tls" | "https";
    readonly mode: "proactive" | "on_request";
    /** Length of a key, or of a unit upon request; default: the node's own. */
    readonly keyBits?: number;
    /** Another than that of the clone. */
    readonly program?: string;
    /** More of the node's environment. */
    readonly environment?: Readonly<Record<string, string>>;
  },
  body: (bench: OneNode) => Promise<void>,
): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "qkd-modes-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const ca = await createAuthority("modes CA");
  const kmIdentity = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const asClient = await ca.issue({ commonName: "km", dns: ["km"], usage: "client" });
  const former = await ca.issue({ commonName: "km", dns: ["km"], usage: "client" });
  const stranger = await ca.issue({ commonName: "eve", dns: ["eve"], usage: "client" });
  const server = await ca.issue({ commonName: "node", dns: ["node"], usage: "server" });
  const client = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  const km = new KeyManager({
    security: { ...kmIdentity, ca: ca.cert },
    binding: options.transport === "https" ? "https" : "tcp",
  });
  opened.defer(() => km.close());
  const doors = new LateDoors();
  opened.defer(() => doors.close());
  const port = await doors.before(await km.listen());
  await writeAuthority(folder, "ca", ca);
  writeFileSync(join(folder, "km.crl"), await ca.revoke([]));
  await writeIdentity(folder, "km", asClient);
  await writeIdentity(folder, "eve", stranger);
  // A KM's certificate that was taken back.
  await writeIdentity(folder, "former", former);
  writeFileSync(join(folder, "clients.crl"), await ca.revoke([former.cert]));
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
  opened.defer(() => {
    end.unplug();
    end.module.close();
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
[web]
port = 0
[server]
host = "127.0.0.1"
port = ${serverPort}
ca = "ca.crt"
cert = ${q(served.cert)}
key = ${q(served.key)}
crl = "clients.crl"
[km.main]
host = "127.0.0.1"
port = ${port}
transport = "${options.transport}"
server_name = "km"
ca = "ca.crt"
cert = ${q(own.cert)}
key = ${q(own.key)}
crl = "km.crl"
[[module]]
name = "alice"
km = "main"
mode = "${options.mode}"
${options.keyBits === undefined ? "" : `key_bits = ${options.keyBits}`}
[module.driver]
kind = "qmlp"
path = ${q(join(folder, "alice.tty"))}
`,
  );
  const node = new NodeProcess(config, join(folder, "log.txt"), undefined, options.program);
  node.environment = options.environment ?? {};
  opened.defer(async () => void (await node.stop("SIGKILL")));
  node.start();
  let number = 0;
  await body({
    folder,
    ca,
    end,
    km,
    node,
    serverPort,
    distil(blocks) {
      const one = (bytes: Buffer) => {
        const facts = { ref: { epoch, number: number++ }, bits: bytes.length * 8, qber: 0.02 };
        end.module.distill(facts, bytes);
      };
      if (Buffer.isBuffer(blocks)) return one(blocks);
      for (let i = 0; i < blocks; i++) one(keyBytes(number, bits));
    },
    until: (what, probe, more) =>
      eventually(what, probe, { about: () => node.lines.slice(-12).join("\n"), ...more }),
  });
}
