/** Two key managers as an operator runs them, with the link between them: processes, TLS, certificates. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import type { KmStatus } from "../../src/km/model/status.ts";
import { ask } from "../../src/ops/cli/client.ts";
import {
  type Authority,
  createAuthority,
  type IdentityFiles,
  writeIdentity,
} from "../emulator/certificates.ts";
import { patience } from "../patience.ts";
import { freePort } from "./free-port.ts";
import { NodeProcess } from "./node-process.ts";
import { programPath } from "./programs.ts";

const ends = ["alice", "bob"] as const;
export type KmEnd = (typeof ends)[number];

export interface KmPairOptions {
  /** Everything is kept below it; the caller removes it. */
  readonly folder: string;
  /** Module IDs, Alice's first. */
  readonly modules: readonly [string, string];
  readonly onLog?: (end: KmEnd, line: string) => void;
  readonly mode?: "on_request";
  readonly program?: string;
  /** More of each application's table, TOML: how many keys it may have. */
  readonly limits?: string;
  /** More tables of an end's configuration, TOML. */
  readonly tables?: (end: KmEnd) => string;
  /** More of the table of the door of applications, TOML. */
  readonly door?: string;
  /** Table `[web]` of both, TOML: the page and the metrics. */
  readonly web?: string;
  /** Both go by the revocation lists in `ca.crl`, which take nothing back at first. */
  readonly crl?: boolean;
}

/** An application with its certificate: paths of PEM files. */
export interface PairApplication extends IdentityFiles {
  readonly saeId: string;
  readonly ca: string;
  /** Its pre-shared key over SKIP, in hexadecimal digits; its identity is its SAE ID. */
  readonly pskFile: string;
}

/** Applications of each end; any of one end may share keys with any of the other. */
const saesOf = { alice: ["app-a", "app-a2"], bob: ["app-b", "app-b2"] } as const;

function saeTables(limits: string): string {
  return ends
    .flatMap((end) =>
      saesOf[end].map((sae) => {
        const partners = end === "alice" ? `with = ["app-b", "app-b2"]\n` : "";
        const skip = `skip_identity = "${sae}"\nskip_psk_file = "${sae}.psk"\n`;
        return `[sae.${sae}]\nkm = "km-${end}"\n${partners}${limits}${skip}`;
      }),
    )
    .join("\n");
}

/** One of the two. */
export class KmOfPair {
  readonly end: KmEnd;
  readonly process: NodeProcess;
  readonly port: number;
  readonly state: string;
  /** What a node needs to supply it. */
  readonly node: IdentityFiles & { readonly ca: string };
  /** What it shows to nodes and to the other KM. */
  readonly own: IdentityFiles;
  /** Where applications ask for keys. */
  readonly url: string;
  /** Where encryptors ask for keys. */
  readonly skip: { readonly host: string; readonly port: number };
  /** Two applications of this end: `app-a`, `app-a2`, or `app-b`, `app-b2`. */
  readonly applications: readonly PairApplication[];

  constructor(
    end: KmEnd,
    process: NodeProcess,
    port: number,
    state: string,
    node: IdentityFiles & { readonly ca: string },
    own: IdentityFiles,
    url: string,
    skip: { readonly host: string; readonly port: number },
    applications: readonly PairApplication[],
  ) {
    this.end = end;
    this.process = process;
    this.port = port;
    this.state = state;
    this.node = node;
    this.own = own;
    this.url = url;
    this.skip = skip;
    this.applications = applications;
  }

  /** Where a node reaches it, and with which certificate. */
  get at() {
    return {
      host: "127.0.0.1",
      port: this.port,
      transport: "tls" as const,
      serverName: `km-${this.end}`,
      ...this.node,
    };
  }

  /** Where its page is; undefined until it is served. */
  get page(): string | undefined {
    const line = this.process.lines.findLast((one) => /at=km\.web msg="page"/.test(one));
    return /url=(\S+)/.exec(line ?? "")?.[1];
  }

  /** @throws CliError while it does not run */
  status(): Promise<KmStatus> {
    return ask<KmStatus>([`${this.state}/control`], "status");
  }

  async start(signal: AbortSignal): Promise<void> {
    this.process.lines.length = 0;
    this.process.start();
    await this.process.logged(/msg="running"/, signal);
  }
}

export class KmPair {
  readonly authority: Authority;
  readonly alice: KmOfPair;
  readonly bob: KmOfPair;

  constructor(authority: Authority, alice: KmOfPair, bob: KmOfPair) {
    this.authority = authority;
    this.alice = alice;
    this.bob = bob;
  }

  get kms(): readonly KmOfPair[] {
    return [this.alice, this.bob];
  }

  /** Makes certificates and configurations; starts nothing. */
  static async make(options: KmPairOptions): Promise<KmPair> {
    const { folder, modules, onLog, program = programPath("qkd-km") } = options;
    const { mode = "proactive", crl = false, limits = "", door = "" } = options;
    const { tables = () => "", web } = options;
    await mkdir(folder, { recursive: true });
    const authority = await createAuthority("KM test CA");
    const ca = `${folder}/ca.crt`;
    await writeFile(ca, authority.cert);
    const lists = crl ? `crl = "ca.crl"\n` : "";
    if (crl) await writeFile(`${folder}/ca.crl`, await authority.revoke([]));
    const ports: number[] = [];
    for (let i = 0; i < 7; i++) ports.push(await freePort());
    const made: KmOfPair[] = [];
    for (const [i, end] of ends.entries()) {
      const identity = await authority.issue({
        commonName: `km-${end}`,
        dns: [`km-${end}`, "localhost"],
        ip: ["127.0.0.1"],
        usage: "both",
        // Longer than nodes warn before.
        days: 90,
      });
      const own = await writeIdentity(folder, `km-${end}`, identity);
      const client = await authority.issue({
        commonName: `node-${end}`,
        dns: [`node-${end}`],
        usage: "client",
        days: 90,
      });
      const node = await writeIdentity(folder, `node-${end}`, client);
      const applications: PairApplication[] = [];
      for (const sae of saesOf[end]) {
        const identity = await authority.issue({
          commonName: sae,
          dns: [sae],
          // At one end of a tunnel it is the server.
          usage: "both",
          days: 90,
        });
        const pskFile = `${folder}/${sae}.psk`;
        await writeFile(pskFile, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
        const files = await writeIdentity(folder, sae, identity);
        applications.push({ saeId: sae, ca, pskFile, ...files });
      }
      const state = `${folder}/${end}`;
      await writeFile(`${folder}/master-${end}`, randomBytes(32), { mode: 0o600 });
      const other = ends[1 - i] as KmEnd;
      // The smaller ID dials.
      const dial = i === 0 ? `host = "127.0.0.1"\nport = ${ports[2]}\n` : "";
      const config = `${folder}/${end}.toml`;
      await writeFile(
        config,
        `[km]
id = "km-${end}"
state_dir = "${state}"

[store]
master_key_file = "master-${end}"

[kq1]
host = "127.0.0.1"
port = ${ports[i]}
ca = "ca.crt"
cert = "${own.cert}"
key = "${own.key}"
${lists}
[kx]
host = "127.0.0.1"
${i === 1 ? `port = ${ports[2]}` : ""}
ca = "ca.crt"
cert = "${own.cert}"
key = "${own.key}"
${lists}
[etsi014]
host = "127.0.0.1"
port = ${ports[3 + i]}
ca = "ca.crt"
cert = "${own.cert}"
key = "${own.key}"
${lists}${door}
[skip]
host = "127.0.0.1"
port = ${ports[5 + i]}

${saeTables(limits)}
[module.m]
module_id = "${modules[i]}"
matching_module_id = "${modules[1 - i]}"
link = "fibre"
nodes = ["node-${end}"]
mode = "${mode}"

[link.fibre]
peer = "km-${other}"
server_name = "km-${other}"
${dial}
${web === undefined ? "" : `[web]\n${web}\n`}
${tables(end)}`,
      );
      const process = new NodeProcess(
        config,
        `${folder}/${end}.log`,
        (line) => onLog?.(end, line),
        program,
      );
      const url = `https://127.0.0.1:${ports[3 + i]}`;
      const skip = { host: "127.0.0.1", port: ports[5 + i] as number };
      const at = ports[i] as number;
      made.push(
        new KmOfPair(end, process, at, state, { ca, ...node }, own, url, skip, applications),
      );
    }
    return new KmPair(authority, made[0] as KmOfPair, made[1] as KmOfPair);
  }

  /** A pair for the emulated modules, on its way up; stopped when `opened` is disposed of. */
  static async begin(
    folder: string,
    opened: AsyncDisposableStack,
    {
      onLog,
      mode,
      kmWeb: web,
      stop,
    }: Pick<KmPairOptions, "onLog" | "mode"> & {
      readonly kmWeb?: string;
      readonly stop?: AbortSignal;
    },
  ): Promise<KmPair> {
    const modules = ["QKD-A-0001", "QKD-B-0001"] as const;
    const pair = await KmPair.make({
      folder,
      modules,
      ...(onLog && { onLog }),
      ...(mode && { mode }),
      ...(web !== undefined && { web }),
    });
    opened.defer(() => pair.stop());
    await pair.start(patience(30_000, stop));
    return pair;
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.kms.map((km) => km.start(signal)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.kms.map(({ process }) => process.stop()));
  }
}
