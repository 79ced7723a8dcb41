/** Key managers of a whole network, as processes: fibres between some, relays between others, an application at each. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import type { KmStatus } from "../../src/km/model/status.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { type Authority, createAuthority, writeIdentity } from "../emulator/certificates.ts";
import { freePort } from "./free-port.ts";
import type { PairApplication } from "./km-pair.ts";
import { NodeProcess } from "./node-process.ts";
import { programPath } from "./programs.ts";

export interface KmNetOptions {
  /** Everything is kept below it; the caller removes it. */
  readonly folder: string;
  /** One letter or word each: the KM of `a` is `km-a`, its application `app-a`. */
  readonly kms: readonly string[];
  /** Pairs with modules at both ends. */
  readonly fibres: readonly (readonly [string, string])[];
  /** Pairs that speak to each other without fibre; the table `[link.NAME.relay]` of each end, TOML, if it has one. */
  readonly far: readonly {
    readonly ends: readonly [string, string];
    readonly table?: (end: string) => string | undefined;
  }[];
  /** Table `[relay]` of a KM, TOML. */
  readonly relay?: (km: string) => string;
  /** More of the table of the door of applications, TOML. */
  readonly door?: string;
  /** More of each table of a link, TOML. */
  readonly link?: string;
  /** Default: 1. */
  readonly wipeAfterS?: number;
  /** Least level of their logs. */
  readonly logLevel?: string;
  readonly onLog?: (km: string, line: string) => void;
}

/** One of them. */
export interface KmOfNet {
  readonly name: string;
  readonly end: string;
  readonly process: NodeProcess;
  readonly state: string;
  /** File of its master key. */
  readonly masterKey: string;
  readonly url: string;
  /** Kq-1 without TLS. */
  readonly kq1: number;
  readonly application: PairApplication;
  status(): Promise<KmStatus>;
}

export class KmNet {
  readonly kms: readonly KmOfNet[];
  readonly #options: KmNetOptions;

  private constructor(options: KmNetOptions, kms: readonly KmOfNet[]) {
    this.#options = options;
    this.kms = kms;
  }

  km(name: string): KmOfNet {
    return this.kms.find((one) => one.name === name) as KmOfNet;
  }

  /** Makes certificates and configurations; starts nothing. */
  static async make(options: KmNetOptions): Promise<KmNet> {
    const { folder, kms: names } = options;
    await mkdir(folder, { recursive: true });
    const authority = await createAuthority("KM test CA");
    await writeFile(`${folder}/ca.crt`, authority.cert);
    const kx = new Map<string, number>();
    for (const name of names) kx.set(name, await freePort());
    const kms: KmOfNet[] = [];
    for (const name of names) kms.push(await makeKm(options, name, authority, kx));
    return new KmNet(options, kms);
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.kms.map(async ({ process }) => {
        process.start();
        await process.logged(/msg="running"/, signal);
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.kms.map(({ process }) => process.stop()));
  }

  /** Both modules of a fibre bring the same keys. @param bytes of each key */
  async feed([one, other]: readonly [string, string], keys: number, bytes = 4_096): Promise<void> {
    const made = Array.from({ length: keys }, () => ({
      id: uuid(),
      key: randomBytes(bytes).toString("base64"),
    }));
    await Promise.all([
      supply(this.km(one).kq1, moduleOf(one, other), moduleOf(other, one), bytes, made),
      supply(this.km(other).kq1, moduleOf(other, one), moduleOf(one, other), bytes, made),
    ]);
  }

  async feedAll(keys: number, bytes = 4_096): Promise<void> {
    for (const fibre of this.#options.fibres) await this.feed(fibre, keys, bytes);
  }
}

function uuid(): string {
  const id = randomBytes(16);
  id[6] = ((id[6] as number) & 0x0f) | 0x40;
  id[8] = ((id[8] as number) & 0x3f) | 0x80;
  return id.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function moduleOf(own: string, other: string): string {
  return `QKD-${own}-${other}`;
}

async function makeKm(
  {
    folder,
    kms,
    fibres,
    far,
    relay,
    door = "",
    link: more = "",
    wipeAfterS = 1,
    logLevel = "info",
    onLog,
  }: KmNetOptions,
  name: string,
  authority: Authority,
  kx: ReadonlyMap<string, number>,
): Promise<KmOfNet> {
  const identity = await authority.issue({
    commonName: `km-${name}`,
    dns: [`km-${name}`, "localhost"],
    ip: ["127.0.0.1"],
    usage: "both",
    days: 90,
  });
  const own = await writeIdentity(folder, `km-${name}`, identity);
  const sae = `app-${name}`;
  const client = await authority.issue({ commonName: sae, dns: [sae], usage: "both", days: 90 });
  const application = {
    saeId: sae,
    ca: `${folder}/ca.crt`,
    pskFile: "",
    ...(await writeIdentity(folder, sae, client)),
  };
  await writeFile(`${folder}/master-${name}`, randomBytes(32), { mode: 0o600 });
  const [kq1, etsi] = [await freePort(), await freePort()];
  const tls = `ca = "ca.crt"\ncert = "${own.cert}"\nkey = "${own.key}"\n`;
  const state = `${folder}/${name}`;
  const links = [
    ...fibres.map((ends) => ({ ends, table: undefined })),
    ...far.map(({ ends, table }) => ({ ends, table })),
  ].flatMap(({ ends, table }) => {
    if (!ends.includes(name)) return [];
    const other = ends[0] === name ? ends[1] : ends[0];
    const dials = `km-${name}` < `km-${other}`;
    const to = dials ? `host = "127.0.0.1"\nport = ${kx.get(other)}\n` : "";
    const link = `[link.${other}]\npeer = "km-${other}"\nserver_name = "km-${other}"\n${more}${to}`;
    const of = table?.(name);
    return [of === undefined ? link : `${link}[link.${other}.relay]\n${of}\n`];
  });
  const modules = fibres.flatMap((ends) => {
    if (!ends.includes(name)) return [];
    const other = (ends[0] === name ? ends[1] : ends[0]) as string;
    const ids = `module_id = "${moduleOf(name, other)}"\nmatching_module_id = "${moduleOf(other, name)}"`;
    return [`[module.to-${other}]\n${ids}\nlink = "${other}"\n`];
  });
  const saes = kms.map((km) => {
    const others = kms.filter((one) => one !== km).map((one) => `"app-${one}"`);
    // A KM without a link to another has no applications of it.
    const linked = km === name || links.some((link) => link.includes(`peer = "km-${km}"`));
    if (!linked) return "";
    const known = km === name ? "" : `km = "km-${km}"\n`;
    return `[sae.app-${km}]\n${known}${others.length > 0 && km === name ? partnersOf(kms, name, links) : ""}`;
  });
  const config = `${folder}/${name}.toml`;
  await writeFile(
    config,
    `[km]
id = "km-${name}"
state_dir = "${state}"

[store]
master_key_file = "master-${name}"
wipe_after_s = ${wipeAfterS}

[kq1]
host = "127.0.0.1"
port = ${kq1}
plain = true

[kx]
host = "127.0.0.1"
port = ${kx.get(name)}
${tls}
[etsi014]
host = "127.0.0.1"
port = ${etsi}
${tls}${door}
[log]
level = "${logLevel}"

${relay === undefined ? "" : `[relay]\n${relay(name)}\n`}
${links.join("\n")}
${modules.join("\n")}
${saes.join("\n")}
`,
  );
  const process = new NodeProcess(
    config,
    `${folder}/${name}.log`,
    (line) => onLog?.(name, line),
    programPath("qkd-km"),
  );
  return {
    name,
    end: name,
    process,
    state,
    masterKey: `${folder}/master-${name}`,
    url: `https://127.0.0.1:${etsi}`,
    kq1,
    application,
    status: () => ask<KmStatus>([`${state}/control`], "status"),
  };
}

function partnersOf(kms: readonly string[], name: string, links: readonly string[]): string {
  const others = kms.filter(
    (km) => km !== name && links.some((link) => link.includes(`peer = "km-${km}"`)),
  );
  return `with = [${others.map((km) => `"app-${km}"`).join(", ")}]\n`;
}

interface Made {
  readonly id: string;
  readonly key: string;
}

/** @returns when all were answered `success` */
async function supply(
  port: number,
  module: string,
  matching: string,
  bytes: number,
  keys: readonly Made[],
): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let left = keys.length;
  let held = Buffer.alloc(0);
  socket.on("error", reject);
  socket.on("close", () => reject(new Error(`${left} keys were not answered`)));
  socket.on("data", (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 10 && held.length >= 10 + held.readUInt16BE(8)) {
      const length = 10 + held.readUInt16BE(8);
      const answer = held.toString("utf8", 10, length);
      held = held.subarray(length);
      if (!answer.includes(`"success"`)) return reject(new Error(answer));
      if (--left === 0) resolve();
    }
  });
  for (const [i, { id, key }] of keys.entries()) {
    const payload = Buffer.from(
      JSON.stringify({
        qkd_module_ID: module,
        matching_qkd_module_ID: matching,
        key_ID: id,
        key_length: bytes * 8,
        key,
      }),
    );
    const head = Buffer.alloc(10);
    head.writeUInt16BE(1, 0);
    head.writeUInt32BE(i + 1, 2);
    head.writeUInt16BE(1, 6);
    head.writeUInt16BE(payload.length, 8);
    socket.write(Buffer.concat([head, payload]));
  }
  await promise;
  socket.removeAllListeners("close");
  socket.destroy();
}
