/** Everything around a node that does not run: module, KM, broker, certificates, and the machine. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { readers } from "../../src/bin/drivers.ts";
import { examine } from "../../src/node/doctor/doctor.ts";
import type { Subject } from "../../src/node/doctor/subject.ts";
import type { Report } from "../../src/ops/doctor/finding.ts";
import { Broker } from "../emulator/broker.ts";
import {
  type Authority,
  createAuthority,
  type Identity,
  writeAuthority,
  writeIdentity,
} from "../emulator/certificates.ts";
import { PairEnd } from "../emulator/end.ts";
import { KeyManager } from "../emulator/km/index.ts";

const { configure, readConfig } = readers;

/** What may be otherwise in the configuration. */
export interface Settings {
  readonly km: Readonly<Record<string, string | number>>;
  readonly module: Readonly<Record<string, string | number>>;
  readonly driver: Readonly<Record<string, string | number>>;
  readonly brokerPort: number;
  readonly more: string;
}

export class DoctorBench {
  readonly folder = mkdtempSync(join(tmpdir(), "qkd-doctor-"));
  readonly file = join(this.folder, "node.toml");
  readonly broker = new Broker();
  #ca!: Authority;
  #kmIdentity!: Identity;
  #end!: PairEnd;
  #km!: KeyManager;
  #kmPort = 0;
  qber = 0.02;
  readonly #servers: { close(): unknown }[] = [];
  readonly #sockets = new Set<Socket>();

  static async open(): Promise<DoctorBench> {
    const bench = new DoctorBench();
    const { folder } = bench;
    bench.#ca = await createAuthority("doctor CA");
    bench.#kmIdentity = await bench.#ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
    bench.#km = new KeyManager({ security: { ...bench.#kmIdentity, ca: bench.#ca.cert } });
    bench.#kmPort = await bench.#km.listen();
    await bench.broker.listen();
    await writeAuthority(folder, "ca", bench.#ca);
    await bench.issue("node", 90);
    bench.#end = new PairEnd({
      role: "alice",
      folder,
      transport: "serial",
      baud: 0,
      clock: systemClock,
      seed: 1,
      maxBlocks: undefined,
      telemetry: () => ({ values: { qber: bench.qber } }),
    });
    bench.#end.plug();
    mkdirSync(join(folder, "state"), { mode: 0o700 });
    mkdirSync(join(folder, "sys/class/thermal/thermal_zone0"), { recursive: true });
    mkdirSync(join(folder, "proc"));
    bench.temperature(45);
    bench.memory(512);
    bench.write();
    return bench;
  }

  get end(): PairEnd {
    return this.#end;
  }

  /** Makes the node's own certificate anew. */
  async issue(name: string, days: number, authority = this.#ca): Promise<void> {
    const request = { commonName: "node", dns: ["node"], usage: "client", days } as const;
    await writeIdentity(this.folder, name, await authority.issue(request));
  }

  /** Gives the KM a revocation list, of its CA or another, that has so many days to go. */
  async list(days: number, authority = this.#ca): Promise<void> {
    writeFileSync(join(this.folder, "km.crl"), await authority.revoke([], { days }));
    this.write({ km: { crl: "km.crl" } });
  }

  /** Writes the configuration, with these changes. */
  write(settings: Partial<Settings> = {}): void {
    const { km, module, driver, more = "" } = settings;
    const lines = (values: object) =>
      Object.entries(values)
        .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
        .join("");
    const files = { ca: "ca.crt", cert: "node.crt", key: "node.key" };
    const standard = { host: "127.0.0.1", port: this.#kmPort, server_name: "km", ...files };
    const tty = { kind: "qmlp", path: join(this.folder, "alice.tty") };
    const text = [
      `[node]\nid = "node"\nstate_dir = ${JSON.stringify(join(this.folder, "state"))}\n`,
      `[manager]\nurl = "mqtt://127.0.0.1:${settings.brokerPort ?? this.broker.port}"\nprotocol = 4\n`,
      `[km.main]\n${lines({ ...standard, answer_timeout_s: 1, ...km })}`,
      `[[module]]\n${lines({ name: "alice", km: "main", ...module })}`,
      `[module.driver]\n${lines({ ...tty, ...driver })}`,
      more,
    ];
    writeFileSync(this.file, text.join(""));
  }

  temperature(celsius: number): void {
    const zone = join(this.folder, "sys/class/thermal/thermal_zone0");
    writeFileSync(join(zone, "type"), "soc\n");
    writeFileSync(join(zone, "temp"), `${celsius * 1_000}\n`);
    writeFileSync(join(zone, "trip_point_0_type"), "critical\n");
    writeFileSync(join(zone, "trip_point_0_temp"), "95000\n");
  }

  /** @param available MiB */
  memory(available: number): void {
    const kib = (mib: number) => `${mib * 1_024} kB`;
    const text = `MemTotal:       ${kib(1_024)}\nMemFree:   1 kB\nMemAvailable:   ${kib(available)}\n`;
    writeFileSync(join(this.folder, "proc/meminfo"), text);
  }

  /** A server that is no KM. @returns its port */
  async server(kind: "silent" | "closing" | "silent-tls" | "closing-tls"): Promise<number> {
    const serve = (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", () => {
        if (kind.startsWith("closing")) socket.destroy();
      });
    };
    const server = kind.endsWith("tls")
      ? createTlsServer({ ...this.#kmIdentity, ca: this.#ca.cert, requestCert: true }, serve)
      : createServer(serve);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as { port: number }).port;
  }

  /** A KM with its certificate from another CA, or one that trusts another. @returns its port */
  async otherKm(what: "from another CA" | "trusts another CA" | "https"): Promise<number> {
    const other = await createAuthority("another CA");
    const foreign = await other.issue({ commonName: "km", dns: ["km"], usage: "server" });
    const identity = what === "from another CA" ? foreign : this.#kmIdentity;
    const { cert: ca } = what === "trusts another CA" ? other : this.#ca;
    const binding = what === "https" ? ({ binding: "https" } as const) : {};
    const km = new KeyManager({ security: { ...identity, ca }, ...binding });
    this.#servers.push(km);
    return km.listen();
  }

  /** A port on which nobody listens. */
  async closedPort(): Promise<number> {
    const port = await this.server("silent");
    const server = this.#servers.pop() as unknown as { close(then: () => void): void };
    await new Promise<void>((resolve) => server.close(resolve));
    return port;
  }

  /** What the doctor says; the node does not run. */
  examine(subject: Partial<Subject> = {}): Promise<Report> {
    return examine({
      file: this.file,
      load: () => configure(this.file),
      read: () => readConfig(this.file),
      ask: async () => {
        throw new Error("the node is not running");
      },
      clock: systemClock,
      proc: join(this.folder, "proc"),
      sys: join(this.folder, "sys"),
      ...subject,
    });
  }

  async close(): Promise<void> {
    this.#end.unplug();
    this.#end.module.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => server.close()));
    await this.#km.close();
    await this.broker.close();
    rmSync(this.folder, { recursive: true });
  }
}
