/**
 * What is around a board at a site: a pair of emulated modules on its ports, a KM for each, a broker, the
 * site's authority. Everything but the board itself runs on this machine.
 */
import { createHmac, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import type { AttachedModule } from "../../scripts/image.d/machine.ts";
import { newKeyPair, signCommand } from "../../scripts/manager.d/sign.ts";
import { systemClock } from "../../src/base/clock.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { EmulatedPair } from "../emulator/pair.ts";
import { seedSource } from "../emulator/source/seed.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { DebianBroker } from "../rig/brokers.ts";
import type { Machine } from "./machine.ts";
import { SiteAuthority } from "./pki.ts";

export const ends = ["alice", "bob"] as const;
type End = (typeof ends)[number];

/** Where the board sees the modules. */
const paths = { alice: "/dev/qkd/QKD-A-0001", bob: "/dev/qkd/pci-uart" } as const;
/** Where a guest finds its host. */
const host = "10.0.2.2";
const keyBits = 256;

export class Site {
  readonly folder: string;
  readonly authority: SiteAuthority;
  readonly kms: Readonly<Record<End, KeyManager>>;
  /** What the node told the manager last, by topic without the node's part. */
  readonly told = new Map<string, Record<string, unknown>>();
  readonly events: Record<string, unknown>[] = [];
  nodeId = "";
  readonly #secret = randomBytes(32);
  /** HMACs of the keys that the modules were given. */
  readonly #distilled = { alice: new Set<string>(), bob: new Set<string>() };
  readonly #signing = newKeyPair();
  readonly #broker: DebianBroker;
  readonly #ports: Readonly<Record<End, number>>;
  #pair: EmulatedPair | undefined;
  /** The modules distil no more. */
  #finished = false;
  #manager: MqttClient | undefined;

  private constructor(
    folder: string,
    authority: SiteAuthority,
    kms: Site["kms"],
    ports: Record<End, number>,
    broker: DebianBroker,
  ) {
    this.folder = folder;
    this.authority = authority;
    this.kms = kms;
    this.#ports = ports;
    this.#broker = broker;
  }

  static async open(): Promise<Site> {
    const folder = mkdtempSync(join(tmpdir(), "qkd-board-"));
    const authority = new SiteAuthority(join(folder, "authority"));
    const km = async (name: End) => {
      const { key, cert, ca } = authority.issue(`km-${name}`, "serverAuth");
      const read = (file: string) => readFileSync(file, "utf8");
      const one = new KeyManager({ security: { cert: read(cert), key: read(key), ca: read(ca) } });
      return { one, port: await one.listen() };
    };
    const [alice, bob] = await Promise.all([km("alice"), km("bob")]);
    const tls = authority.issue("broker", "serverAuth", `IP:${host},DNS:localhost`);
    const broker = await DebianBroker.start("mosquitto", join(folder, "broker"), {
      tls,
      clientCertificates: true,
    });
    const ports = { alice: alice.port, bob: bob.port };
    const site = new Site(folder, authority, { alice: alice.one, bob: bob.one }, ports, broker);
    mkdirSync(site.modules);
    await site.#watch();
    return site;
  }

  /** Folder of the modules' sockets. */
  get modules(): string {
    return join(this.folder, "modules");
  }

  get pair(): EmulatedPair {
    if (this.#pair === undefined) throw new Error("no modules yet");
    return this.#pair;
  }

  /** How the modules are attached to the board. */
  get attached(): readonly AttachedModule[] {
    const socket = (end: End) => join(this.modules, `${end}.sock`);
    return [
      { id: "alice", on: "usb", serial: "QKD-A-0001", socket: socket("alice") },
      { id: "bob", on: "pci", socket: socket("bob") },
    ];
  }

  /** The adapter of one that is plugged in while the board runs, for QEMU's `device_add`. */
  usb(end: End): Record<string, unknown> {
    const serial = this.attached.find(({ id }) => id === end)?.serial;
    return { driver: "usb-serial", id: end, chardev: `${end}-line`, bus: "usb.0", serial };
  }

  /** Lets the modules distil, so many keys at a time. */
  distil(everyMs: number, keys = 8): void {
    const blockBits = keys * keyBits;
    this.#pair = new EmulatedPair({
      folder: this.modules,
      transport: "socket",
      baud: 0,
      source: this.#noted(seedSource({ seed: 8, blockBits, clock: systemClock })),
      blockIntervalMs: everyMs,
      clock: systemClock,
      maxBlocks: 100_000,
    });
  }

  /** The node's configuration, as the site's engineer writes it. @param with_ the modules that the board has */
  configuration(nodeId: string, with_: readonly End[] = ends): string {
    this.nodeId = nodeId;
    const km = (end: End) => `[km.${end}]
host = "${host}"
port = ${this.#ports[end]}
server_name = "km-${end}"
ca = "site-ca.crt"
cert = "node.crt"
key = "/run/credentials/qkd-node.service/node.key"
`;
    const module = (end: End) => `[[module]]
name = "${end}"
km = "${end}"
key_bits = ${keyBits}
[module.driver]
kind = "qmlp"
path = "${paths[end]}"
baud = ${end === "alice" ? 921_600 : 115_200}
`;
    return `[node]
id = "${nodeId}"
state_dir = "/var/lib/qkd-node"

[log]
timestamps = false

[manager]
url = "mqtts://${host}:${this.#broker.port}"
ca = "site-ca.crt"
cert = "node.crt"
key = "/run/credentials/qkd-node.service/node.key"
telemetry_interval_s = 1

[[manager.command_key]]
id = "noc"
public_key = "${this.#signing.publicKey}"
commands = ["install_update", "clear_tamper"]

[panel]
on_tamper = "stop"
expected = false

${with_.map(km).join("\n")}
${with_.map(module).join("\n")}`;
  }

  /** Gives a blank board its configuration, as if a stick had been read. @param modules those that it has */
  async provision(board: Machine, modules: readonly End[] = ends): Promise<void> {
    const nodeId = (await board.sh("cat /etc/qkd-node/id")).trim();
    const request = await board.sh("cat /etc/qkd-node/node.csr");
    const files = {
      "node.crt": this.authority.node(nodeId, `${request}\n`),
      "site-ca.crt": this.authority.read(),
      "node.toml": this.configuration(nodeId, modules),
    };
    await board.sh("mkdir -p /run/qkd-site/in");
    for (const [name, text] of Object.entries(files)) {
      const encoded = Buffer.from(text).toString("base64");
      await board.sh(`echo ${encoded} | base64 -d >/run/qkd-site/in/${name}`);
    }
    await board.sh("systemctl start qkd-site-take && grep taken: /run/qkd-site-take/result", 600);
  }

  /** Gives the node a signed command, for this boot of it. */
  async command(name: string, args: Readonly<Record<string, unknown>>): Promise<void> {
    const { boot } = this.told.get("status") as { boot: number };
    const draft = {
      command: name,
      node: this.nodeId,
      args,
      boot,
      issued: Date.now(),
      lifeMs: 300_000,
    };
    const message = signCommand(draft, { id: "noc", key: this.#signing.key });
    await this.#manager?.publishAsync(`qkdn/v1/${this.nodeId}/cmd/${name}`, message, { qos: 1 });
  }

  /** What the KMs hold that they should not: keys of nobody, one key under two IDs or one ID with two keys. */
  check(): { readonly foreign: number; readonly doubled: number; readonly conflicts: number } {
    let [foreign, doubled, conflicts] = [0, 0, 0];
    for (const end of ends) {
      const held = [...this.kms[end].store.digest(this.#secret).values()];
      foreign += held.filter((digest) => !this.#distilled[end].has(digest)).length;
      doubled += held.length - new Set(held).size;
      conflicts += this.kms[end].store.summary().conflicts;
    }
    return { foreign, doubled, conflicts };
  }

  /** Ends distilling; what was distilled may still be on its way. */
  finish(): void {
    this.#finished = true;
  }

  /** Keys that each module was given. */
  get given(): number {
    return this.#distilled.alice.size;
  }

  /** IDs under which the KMs do not hold the same key, or of which only one of them holds a key. */
  unequal(): number {
    const [alice, bob] = ends.map((end) => this.kms[end].store.digest(this.#secret));
    const ids = new Set([...(alice?.keys() ?? []), ...(bob?.keys() ?? [])]);
    return [...ids].filter((id) => alice?.get(id) !== bob?.get(id)).length;
  }

  /** Keys that both KMs hold. */
  get keys(): number {
    return Math.min(...ends.map((end) => this.kms[end].store.size));
  }

  /** @returns says how many of the keys that the modules have been given by now are not at their KM yet */
  missing(): () => number {
    const given = ends.map((end) => [end, [...this.#distilled[end]]] as const);
    return () =>
      given.reduce((sum, [end, keys]) => {
        const held = new Set(this.kms[end].store.digest(this.#secret).values());
        return sum + keys.filter((key) => !held.has(key)).length;
      }, 0);
  }

  async close(): Promise<void> {
    this.#pair?.close();
    await this.#manager?.endAsync(true);
    await Promise.all(ends.map((end) => this.kms[end].close()));
    await this.#broker.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #noted(source: BlockSource): BlockSource {
    return {
      ...source,
      next: () => {
        const block = this.#finished ? undefined : source.next();
        if (block === undefined) return undefined;
        for (const end of ends) {
          for (let at = 0; at < block[end].length; at += keyBits / 8) {
            const key = block[end].subarray(at, at + keyBits / 8);
            const digest = createHmac("sha256", this.#secret).update(key).digest("hex");
            this.#distilled[end].add(digest);
          }
        }
        return block;
      },
    };
  }

  /** Listens as the manager does. */
  async #watch(): Promise<void> {
    const { ca, cert, key } = this.authority.issue("manager", "clientAuth");
    const read = (file: string) => readFileSync(file, "utf8");
    const url = this.#broker.url.replace("127.0.0.1", "localhost");
    const files = { ca: read(ca), cert: read(cert), key: read(key) };
    this.#manager = await mqtt.connectAsync(url, files);
    this.#manager.on("message", (topic, payload) => {
      const [, , , ...rest] = topic.split("/");
      // Commands are not told by the node but to it; what came of them is.
      if (rest[0] === "cmd" && rest[2] !== "result") return;
      const message = payload.length === 0 ? {} : JSON.parse(payload.toString());
      if (rest[0] === "event") this.events.push(message);
      else this.told.set(rest.join("/"), message);
    });
    await this.#manager.subscribeAsync("qkdn/v1/#", { qos: 1 });
  }
}
