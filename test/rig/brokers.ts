/** Real brokers from Debian's packages, in a process and folder of their own. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { find } from "../find.ts";
import { freePort } from "./free-port.ts";
import { LateDoors } from "./late.ts";

export const brokerNames = ["mosquitto", "nats-server"] as const;
export type BrokerName = (typeof brokerNames)[number];

/** What a broker demands of its clients; only Mosquitto is told. */
export interface Access {
  /** PEM files: its own certificate, and who may have issued the clients'. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Clients must have a certificate. */
  readonly clientCertificates?: boolean;
  /** Clients must name themselves so. */
  readonly user?: { readonly name: string; readonly password: string };
  /** What the user may do, lines of an ACL file; others need no name then, and may do all. */
  readonly acl?: string;
}

export interface Load {
  /** Resident memory, bytes. */
  readonly rss: number;
  /** Processor time so far, s. */
  readonly cpu: number;
}

function mosquittoConfig(folder: string, port: number, access: Access) {
  const { tls, clientCertificates, user, acl } = access;
  const isOpen = user === undefined ? clientCertificates !== true : acl !== undefined;
  const lines = [
    `listener ${port} 127.0.0.1`,
    "persistence false",
    "max_inflight_messages 100",
    // A watcher of a thousand nodes may be behind for a moment.
    "max_queued_messages 100000",
    "set_tcp_nodelay true",
    `allow_anonymous ${isOpen}`,
  ];
  if (tls !== undefined) {
    lines.push(`cafile ${tls.ca}`, `certfile ${tls.cert}`, `keyfile ${tls.key}`);
  }
  if (clientCertificates) lines.push("require_certificate true", "use_identity_as_username true");
  if (user !== undefined) {
    const file = join(folder, "passwords");
    writeFileSync(file, "");
    execFileSync("mosquitto_passwd", ["-b", file, user.name, user.password], { stdio: "ignore" });
    lines.push(`password_file ${file}`);
  }
  if (user !== undefined && acl !== undefined) {
    const file = join(folder, "acl");
    writeFileSync(file, `topic readwrite #\nuser ${user.name}\n${acl}`, { mode: 0o600 });
    lines.push(`acl_file ${file}`);
  }
  // Started by root it would become another user, who can't read our files.
  if (process.getuid?.() === 0) lines.push("user root");
  return lines.join("\n");
}

function natsConfig(folder: string, port: number, clients: number) {
  return `server_name: ${JSON.stringify(`nats-${port}`)}
listen: "127.0.0.1:${clients}"
jetstream { store_dir: ${JSON.stringify(join(folder, "jetstream"))} }
mqtt { listen: "127.0.0.1:${port}", max_ack_pending: 10000 }
`;
}

/** Characters. */
const mostLog = 20_000;

export class DebianBroker {
  readonly name: BrokerName;
  readonly port: number;
  readonly #path: string;
  readonly #config: string;
  readonly #tls: boolean;
  /** What it logged last. */
  log = "";
  #child: ChildProcess | undefined;
  readonly #doors = new LateDoors();
  /** Where clients find it. */
  #late: number;

  private constructor(name: BrokerName, port: number, path: string, config: string, tls: boolean) {
    this.name = name;
    this.port = port;
    this.#late = port;
    this.#path = path;
    this.#config = config;
    this.#tls = tls;
  }

  /**
   * Starts a broker; resolves once it listens.
   * @param folder its own, for its files; the caller removes it
   */
  static async start(name: BrokerName, folder: string, access: Access = {}): Promise<DebianBroker> {
    const path = find(name);
    if (path === undefined) throw new Error(`${name} is not installed: apt-get install ${name}`);
    mkdirSync(folder, { recursive: true });
    const port = await freePort();
    const config = join(folder, `${name}.conf`);
    const text =
      name === "mosquitto"
        ? mosquittoConfig(folder, port, access)
        : natsConfig(folder, port, await freePort());
    writeFileSync(config, `${text}\n`, { mode: 0o600 });
    const broker = new DebianBroker(name, port, path, config, access.tls !== undefined);
    await broker.start();
    broker.#late = await broker.#doors.before(port);
    return broker;
  }

  get url(): string {
    return `${this.#tls ? "mqtts" : "mqtt"}://127.0.0.1:${this.#late}`;
  }

  /** The newest protocol that it speaks. */
  get protocol(): 4 | 5 {
    return this.name === "mosquitto" ? 5 : 4;
  }

  /** Starts it again after {@link stop}. */
  async start(): Promise<void> {
    const child = spawn(this.#path, ["-c", this.#config], { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      this.log = "";
      child.stderr?.on("data", (chunk: Buffer) => {
        this.log = (this.log + chunk).slice(-mostLog);
        if (/ running|Server is ready/.test(this.log)) resolve();
      });
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`${this.name} ended: ${this.log}`)));
    });
  }

  /** What it uses of the machine; zeros if that can't be told. */
  load(): Load {
    try {
      const process = `/proc/${this.#child?.pid}`;
      const pages = Number(readFileSync(`${process}/statm`, "utf8").split(" ")[1]);
      const times = readFileSync(`${process}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return { rss: pages * 4_096, cpu: (Number(times[11]) + Number(times[12])) / 100 };
    } catch {
      return { rss: 0, cpu: 0 };
    }
  }

  /** Ends it, in order or not; its clients lose their connections. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.kill(signal);
    });
  }
}
