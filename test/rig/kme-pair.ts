/** A pair of KMEs that is not ours (`test/peer/kme.py`), and certificates for all who speak with them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  type Authority,
  createAuthority,
  writeAuthority,
  writeIdentity,
} from "../emulator/certificates.ts";

const program = fileURLToPath(new URL("../peer/kme.py", import.meta.url));

export type KmeEnd = "a" | "b";
export type KmeSettings = Readonly<Record<string, string | number>>;

export interface KmeCommand {
  readonly set?: KmeSettings;
  readonly make?: number;
  readonly bits?: number;
  readonly ledger?: true;
  readonly stock?: true;
  readonly settings?: true;
  readonly keys?: readonly string[];
  readonly down?: readonly (0 | 1)[];
  readonly up?: readonly (0 | 1)[];
}

export interface KmeAnswer {
  readonly made?: readonly string[];
  readonly stock?: readonly string[];
  readonly settings?: KmeSettings;
  /** By key_ID: how often it was handed over at each end, and the key's SHA-256. */
  readonly given?: Readonly<Record<string, readonly [number, number, string]>>;
  /** By key_ID, in hexadecimal digits. */
  readonly keys?: Readonly<Record<string, string>>;
}

/** Makes certificates: `sae-a` and `sae-b` by their CN and name, `kme`, and `link-a` and `link-b`. */
export async function kmeCertificates(folder: string): Promise<Authority> {
  const authority = await createAuthority("kme CA");
  mkdirSync(folder, { recursive: true });
  await writeAuthority(folder, "ca", authority);
  const issue = async (name: string, usage: "server" | "client" | "both") => {
    const request = { commonName: name, dns: [name, "localhost"], ip: ["127.0.0.1"], usage };
    await writeIdentity(folder, name, await authority.issue(request));
  };
  await issue("kme", "server");
  for (const end of ["a", "b"]) {
    await issue(`sae-${end}`, "client");
    await issue(`link-${end}`, "both");
  }
  return authority;
}

export class KmePair {
  readonly folder: string;
  readonly ports: Readonly<Record<KmeEnd, number>>;
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: ((answer: KmeAnswer) => void)[];

  private constructor(
    folder: string,
    process: ChildProcess,
    lines: Interface,
    ports: KmePair["ports"],
    waiting: ((answer: KmeAnswer) => void)[],
  ) {
    this.folder = folder;
    this.#process = process;
    this.#lines = lines;
    this.ports = ports;
    this.#waiting = waiting;
  }

  /** @param folder has the certificates of {@link kmeCertificates} */
  static async start(folder: string, settings: KmeSettings = {}): Promise<KmePair> {
    const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    const child = spawn("python3", [program, folder, ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface({ input: child.stdout });
    // biome-ignore lint/suspicious/noExplicitAny: the first line is another than those that follow
    const waiting: ((answer: any) => void)[] = [];
    const first = new Promise<KmePair["ports"]>((resolve, reject) => {
      waiting.push(resolve);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`kme.py ended with ${code}`)));
    });
    lines.on("line", (line) => waiting.shift()?.(JSON.parse(line)));
    return new KmePair(folder, child, lines, await first, waiting);
  }

  url(end: KmeEnd): string {
    return `https://127.0.0.1:${this.ports[end]}`;
  }

  ask(command: KmeCommand): Promise<KmeAnswer> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
    });
  }

  async close(): Promise<void> {
    this.#lines.close();
    if (this.#process.exitCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.stdin?.end();
    await gone;
  }
}

/** Options of the driver of one end. @param port where the follower listens for its leader */
export function driverOptions(pair: KmePair, end: KmeEnd, port: number, more: object = {}) {
  const other = end === "a" ? "b" : "a";
  const file = (name: string) => `${pair.folder}/${name}`;
  const files = (name: string) => ({
    ca: file("ca.crt"),
    cert: file(`${name}.crt`),
    key: file(`${name}.key`),
  });
  return {
    lead: end === "a",
    module_id: end === "a" ? "QKD-A-0001" : "QKD-B-0001",
    matching_module_id: end === "a" ? "QKD-B-0001" : "QKD-A-0001",
    role: end === "a" ? "alice" : "bob",
    kme: {
      url: pair.url(end),
      own_sae: `sae-${end}`,
      partner_sae: `sae-${other}`,
      ...files(`sae-${end}`),
      patience_s: 1,
      ...more,
    },
    peer: { host: "127.0.0.1", port, name: `link-${other}`, ...files(`link-${end}`) },
  };
}
