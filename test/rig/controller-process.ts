/** A controller as an operator runs it, and key managers that a test speaks for: the product's way to a controller. */
import { mkdir, writeFile } from "node:fs/promises";
import { silentLog } from "../../src/base/log.ts";
import type { ControllerStatus } from "../../src/controller/model/status.ts";
import type { CkBinding } from "../../src/km/io/ck-dial.ts";
import { CkLink } from "../../src/km/io/ck-link.ts";
import { ask } from "../../src/ops/cli/client.ts";
import type { CkMessageOf } from "../../src/wire/ck/messages.ts";
import { type LinkReport, linkExtension } from "../../src/wire/ck/report.ts";
import {
  type Authority,
  createAuthority,
  type Identity,
  writeIdentity,
} from "../emulator/certificates.ts";
import { KmEnd } from "./ck-bench.ts";
import { freePort } from "./free-port.ts";
import { NodeProcess } from "./node-process.ts";
import { programPath } from "./programs.ts";

export interface ControllerOptions {
  /** Everything is kept below it; the caller removes it. */
  readonly folder: string;
  readonly id?: string;
  /** Tables of the network and others, TOML. */
  readonly tables: string;
  readonly mode?: "distributed";
  /** Of another controller of the same network. */
  readonly authority?: Authority;
  readonly onLog?: (line: string) => void;
  /** Another than the controller of the clone, or of the build of the tests. */
  readonly program?: string;
}

export class ControllerProcess {
  readonly process: NodeProcess;
  readonly authority: Authority;
  readonly config: string;
  readonly state: string;
  readonly port: number;
  readonly id: string;

  private constructor(
    process: NodeProcess,
    authority: Authority,
    { config, state, port, id }: Pick<ControllerProcess, "config" | "state" | "port" | "id">,
  ) {
    this.process = process;
    this.authority = authority;
    this.config = config;
    this.state = state;
    this.port = port;
    this.id = id;
  }

  /** Makes certificates and a configuration; starts nothing. */
  static async make(options: ControllerOptions): Promise<ControllerProcess> {
    const { folder, id = "controller", tables } = options;
    const authority = options.authority ?? (await createAuthority("QKDN CA"));
    await mkdir(folder, { recursive: true });
    await writeFile(`${folder}/ca.crt`, authority.cert);
    const name = `${id}.example`;
    const own = await authority.issue({
      commonName: name,
      dns: [name, "localhost"],
      ip: ["127.0.0.1"],
      usage: "both",
      days: 90,
    });
    const files = await writeIdentity(folder, id, own);
    const port = await freePort();
    const [config, state] = [`${folder}/${id}.toml`, `${folder}/${id}`];
    await writeFile(
      config,
      `[controller]
id = "${id}"
state_dir = "${state}"
${options.mode === undefined ? "" : `mode = "${options.mode}"\n`}
[ck]
host = "127.0.0.1"
port = ${port}
ca = "ca.crt"
cert = "${files.cert}"
key = "${files.key}"

${tables}`,
      { mode: 0o600 },
    );
    const { program = programPath("qkd-controller") } = options;
    const process = new NodeProcess(config, `${folder}/${id}.log`, options.onLog, program);
    return new ControllerProcess(process, authority, { config, state, port, id });
  }

  async start(signal: AbortSignal): Promise<void> {
    this.process.lines.length = 0;
    this.process.start();
    await this.process.logged(/msg="running"/, signal);
  }

  /** @throws CliError while it does not run */
  status(): Promise<ControllerStatus> {
    return ask<ControllerStatus>([`${this.state}/control`], "status");
  }

  /** A key manager of a test, connected from now on. Its reports tell {@link TestKm.links}. */
  async km(name: string, binding: CkBinding = "tcp", identity?: Identity): Promise<TestKm> {
    const issued =
      identity ?? (await this.authority.issue({ commonName: name, dns: [name], usage: "both" }));
    const tls = { ...issued, ca: this.authority.cert };
    const end = new KmEnd();
    const links = new Map<string, LinkReport>();
    const link = new CkLink({
      name: this.id,
      host: "127.0.0.1",
      port: this.port,
      serverName: `${this.id}.example`,
      binding,
      tls: () => tls,
      report: (whole) => reportOf(name, links.values(), whole),
      handlers: end.handlers,
      log: silentLog,
    });
    link.start();
    return new TestKm(name, end, link, links);
  }
}

function reportOf(
  sourceKm: string,
  links: Iterable<LinkReport>,
  whole: boolean,
): CkMessageOf<"report"> {
  const extension = [...links].map(linkExtension);
  return {
    type: "report",
    sourceKm,
    at: Date.now(),
    ...(whole && { whole }),
    ...(extension.length > 0 && { extension }),
  };
}

/** A key manager that a test speaks for. */
export class TestKm {
  readonly name: string;
  readonly end: KmEnd;
  readonly link: CkLink;
  /** What its reports tell of its links, by the KM at the other end. */
  readonly links: Map<string, LinkReport>;

  constructor(name: string, end: KmEnd, link: CkLink, links: Map<string, LinkReport>) {
    this.name = name;
    this.end = end;
    this.link = link;
    this.links = links;
  }

  /** Tells the controller now what its links are like; good ones, unless it says otherwise. */
  async tell(peer: string, more: Partial<LinkReport> = {}): Promise<void> {
    const usual = { peer, up: true, stock: 10_000_000, rate: 100_000, alarms: [] };
    this.links.set(peer, { ...usual, ...this.links.get(peer), ...more });
    await this.end.session.request(reportOf(this.name, this.links.values(), false));
  }

  stop(): Promise<void> {
    return this.link.stop();
  }
}
