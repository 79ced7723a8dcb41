/**
 * A whole link on one machine: an emulated module pair, two nodes in processes of their own, a KM for each, a broker,
 * and certificates made for the occasion. The demo shows it, the end-to-end tests break it.
 */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { Broker } from "../emulator/broker.ts";
import {
  type Authority,
  createAuthority,
  writeAuthority,
  writeIdentity,
} from "../emulator/certificates.ts";
import type { TransportKind } from "../emulator/end.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { EmulatedPair } from "../emulator/pair.ts";
import type { PhysicalLink } from "../emulator/physics/link.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { type Expected, eventually } from "../eventually.ts";
import { KmPair } from "./km-pair.ts";
import { LateDoors } from "./late.ts";
import { ManagerView } from "./manager-view.ts";
import { NodeProcess } from "./node-process.ts";
import { makeRigFolder } from "./rig-folder.ts";

export type EndName = "alice" | "bob";
export const endNames: readonly EndName[] = ["alice", "bob"];

/** Somebody's own KM, and what the node shows it: paths of PEM files. */
export interface KmAt {
  readonly host: string;
  readonly port: number;
  readonly transport: "tls" | "https";
  readonly serverName: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface RigOptions {
  readonly source: BlockSource;
  /** The physics behind the source, if it has any: telemetry follows from it. */
  readonly link?: PhysicalLink;
  /** How the modules are attached; default serial. */
  readonly transport?: TransportKind;
  readonly baud?: number;
  readonly blockIntervalMs?: number;
  /** Cut blocks into QKD-keys of this length. */
  readonly keyBits?: number;
  readonly logLevel?: "debug" | "info";
  readonly onLog?: (end: EndName, line: string) => void;
  /** Seconds in which a KM must answer, instead of the node's own default. */
  readonly answerTimeout?: number;
  /** Issues this end's KM certificate, instead of the rig's own authority. */
  readonly kmAuthority?: Partial<Record<EndName, Authority>>;
  /** A KM that runs already, instead of one made here. */
  readonly kmAt?: Partial<Record<EndName, KmAt>>;
  /** Two key managers of the product instead of doubles, with the link between them. */
  readonly realKms?: boolean;
  /** Table `[web]` of these, TOML. */
  readonly kmWeb?: string;
  /** With these, their KMs ask for keys. */
  readonly mode?: "on_request";
  /** Where the nodes publish, instead of the rig's own broker. */
  readonly broker?: {
    readonly url: string;
    readonly protocol: 4 | 5;
    /** More of `[manager]`, TOML. */
    readonly access?: string;
  };
  /** The rig's own broker speaks TLS; its authority is in `ca.crt`. */
  readonly secureBroker?: boolean;
  /** The table `[web]` of this end's node, TOML; default: the page on a free port. */
  readonly web?: Partial<Record<EndName, string>>;
  /** More of the nodes' table `[km.local]`, TOML. */
  readonly kmExtra?: string;
  /** More of the nodes' configuration, TOML; after the module's table. */
  readonly extra?: string | ((end: EndName, folder: string) => string);
  readonly clock?: Clock;
  /** Ends the start, which throws then. */
  readonly stop?: AbortSignal;
}

export interface RigEnd {
  readonly name: EndName;
  readonly nodeId: string;
  readonly node: NodeProcess;
  /** Empty, and not listening, where the KM is somebody's own. */
  readonly km: KeyManager;
  /** Somebody's own KM; what it holds is known by its answers alone. */
  readonly kmAt: KmAt | undefined;
  /** Its configuration. */
  readonly config: string;
  /** Where its page is; undefined until it is served. */
  readonly page: string | undefined;
}

export class Rig {
  /** Everything that the run writes is in here; gone after `close`. */
  readonly folder: string;
  readonly broker: Broker;
  readonly view: ManagerView;
  readonly pair: EmulatedPair;
  readonly alice: RigEnd;
  readonly bob: RigEnd;
  /** The product's own, where the rig has them. */
  readonly kms: KmPair | undefined;
  readonly #opened: AsyncDisposableStack;
  #closed: Promise<void> | undefined;
  readonly #secret = randomBytes(32);
  readonly #digests: Record<EndName, Map<string, string>> = { alice: new Map(), bob: new Map() };
  #common = 0;
  #different = 0;

  private constructor(
    folder: string,
    parts: Pick<Rig, "broker" | "view" | "pair" | "alice" | "bob" | "kms">,
    opened: AsyncDisposableStack,
  ) {
    this.folder = folder;
    this.#opened = opened;
    this.broker = parts.broker;
    this.view = parts.view;
    this.pair = parts.pair;
    this.alice = parts.alice;
    this.bob = parts.bob;
    this.kms = parts.kms;
  }

  get ends(): readonly RigEnd[] {
    return [this.alice, this.bob];
  }

  /** Starts everything; the nodes are on their way up when it returns. */
  static async start(options: RigOptions): Promise<Rig> {
    const { source, link, baud = 115_200, blockIntervalMs = 1, clock = systemClock } = options;
    // What fails half way up leaves nothing running.
    await using opened = new AsyncDisposableStack();
    const folder = makeRigFolder(opened);
    const authority = await createAuthority("qkd rig CA");
    await writeAuthority(folder, "ca", authority);
    const broker = await ownBroker(authority, options);
    const view = new ManagerView(broker);
    opened.defer(() => broker.close());
    const doors = new LateDoors();
    opened.defer(() => doors.close());
    const made = { authority, doors, brokerPort: await doors.before(await broker.listen()) };
    const kms =
      options.realKms === true
        ? await KmPair.begin(join(folder, "kms"), opened, options)
        : undefined;
    const kmAt = kms ? { alice: kms.alice.at, bob: kms.bob.at } : options.kmAt;
    const of = { ...options, ...(kmAt && { kmAt }) };
    const end = (name: EndName) => createEnd(name, folder, made, opened, of);
    const [alice, bob] = await Promise.all([end("alice"), end("bob")]);
    const pair = new EmulatedPair({
      folder,
      transport: options.transport ?? "serial",
      baud,
      source,
      ...(link !== undefined && { link }),
      blockIntervalMs,
      clock,
    });
    opened.defer(() => pair.close());
    for (const { node } of [alice, bob]) node.start();
    opened.defer(async () => void (await Promise.all([alice.node.stop(), bob.node.stop()])));
    return new Rig(folder, { broker, view, pair, alice, bob, kms }, opened.move());
  }

  /** Whether both KMs are of this process: what they hold can be compared then. */
  get comparable(): boolean {
    return this.ends.every(({ kmAt }) => kmAt === undefined);
  }

  /**
   * Compares what the two KMs hold, without a key leaving either; all 0 if that is not known.
   * @returns `common`: IDs with the same key at both; `different`: IDs with other keys;
   *   `oneSided`: IDs that only one has
   */
  compare(): { common: number; different: number; oneSided: number } {
    if (!this.comparable) return { common: 0, different: 0, oneSided: 0 };
    this.#take("alice", "bob");
    this.#take("bob", "alice");
    const { alice, bob } = this.#digests;
    const both = this.#common + this.#different;
    return {
      common: this.#common,
      different: this.#different,
      oneSided: alice.size + bob.size - 2 * both,
    };
  }

  /** Compares the keys that arrived at one end since the last time with those of the other. */
  #take(end: EndName, other: EndName): void {
    const known = this.#digests[end];
    for (const [id, digest] of this[end].km.store.digest(this.#secret, known.size)) {
      known.set(id, digest);
      const match = this.#digests[other].get(id);
      if (match === digest) this.#common++;
      else if (match !== undefined) this.#different++;
    }
  }

  /** Every block that was distilled is released, or kept back with a reason. */
  settled(): boolean {
    if (!this.pair.exhausted) return false;
    return this.ends.every(({ name, nodeId }) => {
      const withheld = new Set<unknown>();
      for (const event of this.view.node(nodeId).events.values()) {
        const keptBack = event.type === "key_withheld" || event.type === "key_quarantined";
        if (keptBack) withheld.add(event.facts.block);
      }
      const history = [...this.pair[name].module.history.values()];
      return history.every((block) => block.released || withheld.has(block.name));
    });
  }

  /** The manager was told of each block that yielded no key. */
  told(): boolean {
    return this.ends.every(({ name, nodeId }) => {
      const events = [...this.view.node(nodeId).events.values()];
      const empty = events.filter(({ type }) => type === "block_empty");
      const told = new Set(empty.map(({ facts }) => facts.block));
      const history = [...this.pair[name].module.history.values()];
      return history.every((block) => block.facts.bits > 0 || told.has(block.name));
    });
  }

  /** Both KMs hold at least that many keys, or have confirmed them. */
  holds(keys: number): boolean {
    return this.ends.every((end) => this.keysAt(end) >= keys);
  }

  /** Keys that an end's KM holds; of somebody's own KM those that it has confirmed. */
  keysAt({ km, kmAt, nodeId }: RigEnd): number {
    return kmAt === undefined ? km.store.size : this.view.counters(nodeId).confirmed;
  }

  /** Bits of the same. */
  bitsAt({ km, kmAt, nodeId }: RigEnd): number {
    return kmAt === undefined ? km.store.summary().bits : this.view.counters(nodeId).bits;
  }

  /** {@link eventually}, whose message tells how the link is, and what the nodes logged last. */
  until<T>(what: string, probe: () => T | Promise<T>, more: Expected<NoInfer<T>> = {}): Promise<T> {
    return eventually(what, probe, { about: () => this.#shown(), ...more });
  }

  #shown(): string {
    return this.ends
      .flatMap((end) => {
        const { status, km, link, reason } = this.view.node(end.nodeId);
        const { heldBlocks } = this.pair[end.name].module;
        const keys = `${this.keysAt(end)} keys at the KM, ${heldBlocks} blocks in the module`;
        const seen = `${end.nodeId}: ${status}, link ${link}, KM ${km}, ${reason || "no reason"}`;
        return [`${seen}; ${keys}`, ...end.node.lines.slice(-12)];
      })
      .join("\n");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Stops everything in order and removes the folder. Any number of times. */
  close(): Promise<void> {
    this.#closed ??= this.#opened.disposeAsync();
    return this.#closed;
  }
}

/** The driver's options in the configuration, for what the pair makes at `path`. */
function driverTable(path: string, { transport, baud = 0 }: RigOptions): string {
  const q = JSON.stringify;
  if (transport === "pcie") return `kind = "qmlp-pcie"\npath = ${q(path)}`;
  if (transport === "socket") return `kind = "qmlp-socket"\naddress = ${q(`unix:${path}.sock`)}`;
  return `kind = "qmlp"\npath = ${q(`${path}.tty`)}\nbaud = ${baud === 0 ? 115_200 : baud}`;
}

async function ownBroker(authority: Authority, { secureBroker }: RigOptions): Promise<Broker> {
  if (secureBroker !== true) return new Broker();
  const shown = { commonName: "broker", ip: ["127.0.0.1"], usage: "server", days: 90 } as const;
  return new Broker(undefined, await authority.issue(shown));
}

/** What both ends share. */
interface Made {
  readonly authority: Authority;
  readonly doors: LateDoors;
  /** Where the nodes find the broker. */
  readonly brokerPort: number;
}

/** A KM of this process with certificates made for it; it does not listen where there is another. */
async function ownKm(
  name: EndName,
  folder: string,
  { authority, doors }: Made,
  { kmAuthority, kmAt }: RigOptions,
): Promise<{ km: KeyManager; at: KmAt }> {
  const nodeId = `node-${name}`;
  const serverName = `km-${name}`;
  const issuer = kmAuthority?.[name] ?? authority;
  const km = await issuer.issue({ commonName: serverName, dns: [serverName], usage: "server" });
  const node = await authority.issue({
    commonName: nodeId,
    dns: [nodeId],
    usage: "client",
    // Longer than the node warns before.
    days: 90,
  });
  const manager = new KeyManager({ security: { ...km, ca: authority.cert } });
  const port = kmAt?.[name] === undefined ? await doors.before(await manager.listen()) : 0;
  const certificates = join(folder, nodeId);
  const files = await writeIdentity(certificates, "node", node);
  const ca = await writeAuthority(certificates, "ca", authority);
  const at = { host: "127.0.0.1", port, transport: "tls", serverName, ca, ...files } as const;
  return { km: manager, at };
}

async function createEnd(
  name: EndName,
  folder: string,
  made: Made,
  opened: AsyncDisposableStack,
  options: RigOptions,
): Promise<RigEnd> {
  const nodeId = `node-${name}`;
  const kmAt = options.kmAt?.[name];
  const own = await ownKm(name, folder, made, options);
  opened.defer(() => own.km.close());
  const { host, port, transport, serverName, ca, cert, key } = kmAt ?? own.at;
  const secure = options.secureBroker === true;
  const { url, protocol, access } = options.broker ?? {
    url: `${secure ? "mqtts" : "mqtt"}://127.0.0.1:${made.brokerPort}`,
    protocol: 4,
    access: secure ? `ca = ${JSON.stringify(join(folder, "ca.crt"))}\n` : "",
  };
  const config = join(folder, `${nodeId}.toml`);
  // JSON's strings and numbers are TOML's too.
  const q = JSON.stringify;
  writeFileSync(
    config,
    `[node]
id = ${q(nodeId)}
state_dir = ${q(join(folder, nodeId, "state"))}

[log]
level = ${q(options.logLevel ?? "info")}

[web]
${options.web?.[name] ?? "port = 0"}

[manager]
url = ${q(url)}
protocol = ${protocol}
telemetry_interval_s = 0.5
${access ?? ""}
[km.local]
host = ${q(host)}
port = ${port}
transport = ${q(transport)}
server_name = ${q(serverName)}
${options.answerTimeout === undefined ? "" : `answer_timeout_s = ${options.answerTimeout}`}
ca = ${q(ca)}
cert = ${q(cert)}
key = ${q(key)}
${options.kmExtra ?? ""}

[[module]]
name = ${q(name)}
km = "local"
${options.keyBits === undefined ? "" : `key_bits = ${options.keyBits}\n`}${options.mode === undefined ? "" : `mode = "${options.mode}"\n`}
[module.driver]
${driverTable(join(folder, name), options)}
${typeof options.extra === "function" ? options.extra(name, folder) : (options.extra ?? "")}`,
    { mode: 0o600 },
  );
  const log = join(folder, `${nodeId}.log.txt`);
  let page: string | undefined;
  const node = new NodeProcess(config, log, (line) => {
    page = /at=node\.web msg="page" url=(\S+)/.exec(line)?.[1] ?? page;
    options.onLog?.(name, line);
  });
  return {
    name,
    nodeId,
    node,
    km: own.km,
    kmAt,
    config,
    get page() {
      return page;
    },
  };
}
