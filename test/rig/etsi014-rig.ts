/**
 * Two nodes with a pair of KMEs for modules, and a KM for each: all that an operator has who owns a commercial QKD
 * system. The cable between the drivers can be cut.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeAuthority, writeIdentity } from "../emulator/certificates.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { eventually } from "../eventually.ts";
import { freePort } from "./free-port.ts";
import { type KmeEnd, KmePair, type KmeSettings, kmeCertificates } from "./kme-pair.ts";
import { NodeProcess } from "./node-process.ts";

export const ends: readonly KmeEnd[] = ["a", "b"];

/** What lies between the drivers. */
class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @returns a cable from a port of its own to this one */
  static async to(port: number): Promise<{ readonly cable: Cable; readonly port: number }> {
    const server = createServer({ pauseOnConnect: true });
    const cable = new Cable(server);
    server.on("connection", (near) => {
      const far = connect({ host: "127.0.0.1", port });
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        cable.#sockets.add(one);
        one.on("error", () => {});
        one.on("close", () => {
          cable.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { cable, port: (server.address() as { port: number }).port };
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

export interface Etsi014RigOptions {
  readonly settings?: KmeSettings;
  /** More of `[module.driver.kme]`, TOML. */
  readonly kme?: string;
  /** KMEs that run already. */
  readonly urls?: Readonly<Record<KmeEnd, string>>;
  /** More of `[module.driver]`, and tables below it, TOML. */
  readonly driver?: (end: KmeEnd, folder: string) => string;
  /** How the KMEs name the applications that the nodes are. */
  readonly saes?: Readonly<Record<KmeEnd, { readonly id: string; readonly files: string }>>;
  /** The program of the nodes. */
  readonly program?: string;
}

export class Etsi014Rig {
  readonly folder: string;
  readonly pair: KmePair;
  readonly nodes: Readonly<Record<KmeEnd, NodeProcess>>;
  readonly kms: Readonly<Record<KmeEnd, KeyManager>>;
  readonly cable: Cable;
  readonly #opened: AsyncDisposableStack;
  readonly #secret = randomBytes(32);

  private constructor(
    parts: Pick<Etsi014Rig, "folder" | "pair" | "nodes" | "kms" | "cable">,
    opened: AsyncDisposableStack,
  ) {
    this.folder = parts.folder;
    this.pair = parts.pair;
    this.nodes = parts.nodes;
    this.kms = parts.kms;
    this.cable = parts.cable;
    this.#opened = opened;
  }

  static async start(options: Etsi014RigOptions = {}): Promise<Etsi014Rig> {
    await using opened = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "qkd-etsi014-"));
    opened.defer(() => rmSync(folder, { recursive: true, force: true }));
    const authority = await kmeCertificates(folder);
    const pair = await KmePair.start(folder, options.settings);
    opened.defer(() => pair.close());
    const peerPort = await freePort();
    const { cable, port } = await Cable.to(peerPort);
    opened.defer(() => cable.close());
    const parts = async (end: KmeEnd) => {
      const name = `km-${end}`;
      const shown = await authority.issue({ commonName: name, dns: [name], usage: "server" });
      const km = new KeyManager({ security: { ...shown, ca: authority.cert } });
      opened.defer(() => km.close());
      const kmPort = await km.listen();
      const client = { commonName: `node-${end}`, dns: [`node-${end}`], usage: "client" } as const;
      const node = join(folder, `node-${end}`);
      const files = await writeIdentity(
        node,
        "node",
        await authority.issue({ ...client, days: 90 }),
      );
      await writeAuthority(node, "ca", authority);
      writeFileSync(join(node, "spool.key"), randomBytes(32), { mode: 0o600 });
      const config = join(folder, `node-${end}.toml`);
      const text = nodeConfig(end, folder, {
        options,
        pair,
        files,
        kmPort,
        port: end === "a" ? port : peerPort,
      });
      writeFileSync(config, text, { mode: 0o600 });
      return {
        km,
        node: new NodeProcess(config, join(folder, `${end}.log`), undefined, options.program),
      };
    };
    const [a, b] = [await parts("a"), await parts("b")];
    const nodes = { a: a.node, b: b.node };
    for (const end of ends) nodes[end].start();
    opened.defer(async () => void (await Promise.all(ends.map((end) => nodes[end].stop()))));
    const made = { folder, pair, nodes, kms: { a: a.km, b: b.km }, cable };
    return new Etsi014Rig(made, opened.move());
  }

  /** Keys of both KMs by their IDs, as something that shows whether they are the same. */
  held(): Readonly<Record<KmeEnd, ReadonlyMap<string, string>>> {
    const of = (end: KmeEnd) => new Map(this.kms[end].store.digest(this.#secret, 0));
    return { a: of("a"), b: of("b") };
  }

  /** Files in an end's spool, but for what says which key it is. */
  spooled(end: KmeEnd): readonly string[] {
    try {
      const spool = join(this.folder, `node-${end}`, "state", "spool-link");
      return readdirSync(spool).filter((file) => file !== "key-check");
    } catch {
      return [];
    }
  }

  /** Batches in an end's spool, other than what is only remembered of one whose keys are gone. */
  #unspent(end: KmeEnd): number {
    const spool = join(this.folder, `node-${end}`, "state", "spool-link");
    return this.spooled(end).filter((file) => {
      try {
        return factsIn(readFileSync(join(spool, file))).state !== "spent";
      } catch (error) {
        // Removed since the look at the folder.
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
        throw error;
      }
    }).length;
  }

  /** Waits until both KMs have at least so many keys. */
  async holds(keys: number, deadlineMs = 60_000): Promise<void> {
    const about = () => ends.flatMap((end) => this.nodes[end].lines.slice(-8)).join("\n");
    const least = () => Math.min(...ends.map((end) => this.kms[end].store.size));
    await eventually("keys at both KMs", least, { atLeast: keys, deadlineMs, about });
  }

  /** Waits until all keys that are left have gone their way. */
  async settled(deadlineMs = 60_000): Promise<void> {
    const about = () => ends.flatMap((end) => this.nodes[end].lines.slice(-8)).join("\n");
    const gone = async () => (await this.pair.ask({ stock: true })).stock?.length;
    await eventually("the KMEs have no more", gone, { is: 0, deadlineMs, about });
    // Keys of an answer that just came are on no disk yet: once the leader has stopped, they are, or lost.
    if (this.nodes.a.running) {
      await this.nodes.a.stop();
      this.nodes.a.start();
    }
    const left = () => ends.reduce((sum, end) => sum + this.#unspent(end), 0);
    await eventually("keys are all gone from the spools", left, { is: 0, deadlineMs, about });
  }

  /** What should never be, once all is settled: of the books of the KMEs and of both KMs. */
  async audit(): Promise<{
    readonly broken: string[];
    readonly keys: number;
    readonly lost: number;
  }> {
    const { given = {} } = await this.pair.ask({ ledger: true });
    const { a, b } = this.held();
    const broken: string[] = [];
    for (const [id, digest] of a) {
      if (b.get(id) !== digest)
        broken.push(`${id} is ${b.has(id) ? "another key" : "not"} at the other KM`);
      const [atA = 0, atB = 0] = given[id] ?? [];
      if (atA < 1 || atB !== 1) broken.push(`${id} was handed over ${atA} and ${atB} times`);
    }
    for (const id of b.keys()) if (!a.has(id)) broken.push(`${id} is at one KM alone`);
    return { broken, keys: a.size, lost: Object.keys(given).length - a.size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

/** What a file of a spool says of its keys, which stands in it in the clear. */
function factsIn(file: Buffer): { readonly state?: string } {
  const start = 44;
  return JSON.parse(file.toString("utf8", start, start + file.readUInt32BE(start - 4)));
}

interface NodeParts {
  readonly options: Etsi014RigOptions;
  readonly pair: KmePair;
  readonly files: { readonly cert: string; readonly key: string };
  readonly kmPort: number;
  readonly port: number;
}

function nodeConfig(end: KmeEnd, folder: string, parts: NodeParts): string {
  const { options, pair, files, kmPort, port } = parts;
  const other = end === "a" ? "b" : "a";
  const q = JSON.stringify;
  const at = (name: string) => q(join(folder, name));
  const { id: own = `sae-${end}`, files: shown = join(folder, `sae-${end}`) } =
    options.saes?.[end] ?? {};
  const partner = options.saes?.[other].id ?? `sae-${other}`;
  const ids = { a: "QKD-A-0001", b: "QKD-B-0001" };
  return `[node]
id = "node-${end}"
state_dir = ${at(`node-${end}/state`)}

[web]
port = 0

[km.local]
host = "127.0.0.1"
port = ${kmPort}
server_name = "km-${end}"
ca = ${at(`node-${end}/ca.crt`)}
cert = ${q(files.cert)}
key = ${q(files.key)}

[[module]]
name = "link"
km = "local"
qber_required = false

[module.spool]
key = ${at(`node-${end}/spool.key`)}

[module.driver]
kind = "etsi014"
lead = ${end === "a"}
module_id = "${ids[end]}"
matching_module_id = "${ids[other]}"
role = "${end === "a" ? "alice" : "bob"}"
${options.driver?.(end, folder) ?? ""}

[module.driver.kme]
url = ${q(options.urls?.[end] ?? pair.url(end))}
own_sae = "${own}"
partner_sae = "${partner}"
ca = ${options.saes === undefined ? at("ca.crt") : q(join(shown, "..", "ca.crt"))}
cert = ${q(`${shown}.crt`)}
key = ${q(`${shown}.key`)}
status_s = 0.2
${options.kme ?? "patience_s = 2"}

[module.driver.peer]
host = "127.0.0.1"
port = ${port}
name = "link-${other}"
ca = ${at("ca.crt")}
cert = ${at(`link-${end}.crt`)}
key = ${at(`link-${end}.key`)}
`;
}
