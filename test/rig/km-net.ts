/** Key managers of a whole network, as processes: fibres between some, relays between others, an application at each. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { KmStatus } from "../../src/km/model/status.ts";
import { ask } from "../../src/ops/cli/client.ts";
import {
  type Authority,
  createAuthority,
  type IdentityFiles,
  writeIdentity,
} from "../emulator/certificates.ts";
import { freePort } from "./free-port.ts";
import type { PairApplication } from "./km-pair.ts";
import { NodeProcess } from "./node-process.ts";
import { programPath } from "./programs.ts";

/** `a` and `c` by `b` or by `d`. */
export const diamond: Pick<KmNetOptions, "kms" | "fibres"> = {
  kms: ["a", "b", "c", "d"],
  fibres: [
    ["a", "b"],
    ["b", "c"],
    ["a", "d"],
    ["d", "c"],
  ],
};

export interface KmNetOptions {
  /** Everything is kept below it; the caller removes it. */
  readonly folder: string;
  /** Who issues certificates; default: one that is made for it. */
  readonly authority?: Authority;
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
  /** More of the configuration of a KM, TOML. */
  readonly more?: (km: string) => string;
  /** More of the table of a KM's own application, TOML. */
  readonly sae?: (km: string) => string;
  /** More of the table of the door of applications, TOML. */
  readonly door?: string | ((km: string) => string);
  /** More of each table of a link, TOML. */
  readonly link?: string;
  /** SAE IDs of a KM's applications; default: `app-a` of the KM `a`. */
  readonly saes?: (km: string) => readonly string[];
  /** A KM that relays alone: it has no application, and no door for any. */
  readonly bare?: (km: string) => boolean;
  /** ID of the module at one end of a fibre; default: `QKD-a-b` at `a`. */
  readonly moduleId?: (own: string, other: string) => string;
  /** Nodes supply over TLS, with certificates made for them; and applications may ask over SKIP. */
  readonly nodes?: boolean;
  /** Which port a KM dials to find another, which listens at `port`; default: that one. */
  readonly kxWay?: (from: string, to: string, port: number) => Promise<number>;
  /** Default: 1. */
  readonly wipeAfterS?: number;
  /** More of the table `[store]` of a KM, TOML. */
  readonly store?: (km: string) => string;
  /** Another than the key manager of the clone, or of the build of the tests. */
  readonly program?: string;
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
  readonly config: string;
  /** File of its master key. */
  readonly masterKey: string;
  readonly url: string;
  /** Port of Kq-1; without TLS where there are no nodes. */
  readonly kq1: number;
  /** What its node `node-a` shows it, where there are nodes. */
  readonly node: IdentityFiles & { readonly ca: string };
  /** Where encryptors ask, where there are nodes. */
  readonly skip: { readonly host: string; readonly port: number };
  /** The first of these; there is none where it is bare. */
  readonly application: PairApplication;
  readonly applications: readonly PairApplication[];
  status(): Promise<KmStatus>;
}

export class KmNet {
  readonly kms: readonly KmOfNet[];
  /** Who issued all certificates. */
  readonly authority: Authority;
  readonly #options: KmNetOptions;

  private constructor(options: KmNetOptions, kms: readonly KmOfNet[], authority: Authority) {
    this.#options = options;
    this.authority = authority;
    this.kms = kms;
  }

  km(name: string): KmOfNet {
    return this.kms.find((one) => one.name === name) as KmOfNet;
  }

  /** Makes certificates and configurations; starts nothing. */
  static async make(options: KmNetOptions): Promise<KmNet> {
    const { folder, kms: names } = options;
    await mkdir(folder, { recursive: true });
    const authority = options.authority ?? (await createAuthority("KM test CA"));
    await writeFile(`${folder}/ca.crt`, authority.cert);
    const kx = new Map<string, number>();
    for (const name of names) kx.set(name, await freePort());
    const kms: KmOfNet[] = [];
    for (const name of names) kms.push(await makeKm(options, name, authority, kx));
    return new KmNet(options, kms, authority);
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
    const { moduleId: id = moduleOf } = this.#options;
    const made = Array.from({ length: keys }, () => ({
      id: uuid(),
      key: randomBytes(bytes).toString("base64"),
    }));
    await Promise.all([
      supply(moduleSide(this.km(one)), id(one, other), id(other, one), bytes, made),
      supply(moduleSide(this.km(other)), id(other, one), id(one, other), bytes, made),
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
    more: tables = () => "",
    sae: ofApplication = () => "",
    door = "",
    link: more = "",
    bare = () => false,
    saes: saesOf = (km) => (bare(km) ? [] : [`app-${km}`]),
    moduleId = moduleOf,
    nodes = false,
    kxWay = (_from, _to, port) => Promise.resolve(port),
    wipeAfterS = 1,
    store = () => "",
    program = programPath("qkd-km"),
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
  const applications: PairApplication[] = [];
  for (const sae of saesOf(name)) {
    const client = await authority.issue({ commonName: sae, dns: [sae], usage: "both", days: 90 });
    const pskFile = nodes ? `${folder}/${sae}.psk` : "";
    if (nodes) await writeFile(pskFile, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
    const files = await writeIdentity(folder, sae, client);
    applications.push({ saeId: sae, ca: `${folder}/ca.crt`, pskFile, ...files });
  }
  const client = { commonName: `node-${name}`, dns: [`node-${name}`], usage: "client" } as const;
  const node = nodes
    ? await writeIdentity(folder, `node-${name}`, await authority.issue({ ...client, days: 90 }))
    : { cert: "", key: "" };
  await writeFile(`${folder}/master-${name}`, randomBytes(32), { mode: 0o600 });
  const [kq1, etsi, skip] = [await freePort(), await freePort(), await freePort()];
  const tls = `ca = "ca.crt"\ncert = "${own.cert}"\nkey = "${own.key}"\n`;
  const state = `${folder}/${name}`;
  const ways = new Map<string, number>();
  for (const { ends } of [...fibres.map((both) => ({ ends: both })), ...far]) {
    const other = ends.find((one) => one !== name) ?? "";
    if (!ends.includes(name) || `km-${name}` > `km-${other}`) continue;
    ways.set(other, await kxWay(name, other, kx.get(other) ?? 0));
  }
  const links = [
    ...fibres.map((ends) => ({ ends, table: undefined })),
    ...far.map(({ ends, table }) => ({ ends, table })),
  ].flatMap(({ ends, table }) => {
    if (!ends.includes(name)) return [];
    const other = ends[0] === name ? ends[1] : ends[0];
    const dials = `km-${name}` < `km-${other}`;
    const to = dials ? `host = "127.0.0.1"\nport = ${ways.get(other)}\n` : "";
    const link = `[link.${other}]\npeer = "km-${other}"\nserver_name = "km-${other}"\n${more}${to}`;
    const of = table?.(name);
    return [of === undefined ? link : `${link}[link.${other}.relay]\n${of}\n`];
  });
  const modules = fibres.flatMap((ends) => {
    if (!ends.includes(name)) return [];
    const other = (ends[0] === name ? ends[1] : ends[0]) as string;
    const ids = `module_id = "${moduleId(name, other)}"\nmatching_module_id = "${moduleId(other, name)}"`;
    const bound = nodes ? `nodes = ["node-${name}"]\n` : "";
    return [`[module.to-${other}]\n${ids}\nlink = "${other}"\n${bound}`];
  });
  // A KM without a link to another has no applications of it.
  const isLinked = (km: string) => links.some((link) => link.includes(`peer = "km-${km}"`));
  const partners = kms.filter((km) => km !== name && isLinked(km)).flatMap((km) => saesOf(km));
  const saes = kms.flatMap((km) => {
    if (km !== name && !isLinked(km)) return [];
    const own = `with = [${partners.map((sae) => `"${sae}"`).join(", ")}]\n`;
    return saesOf(km).map((sae) => {
      const skips = nodes ? `skip_identity = "${sae}"\nskip_psk_file = "${sae}.psk"\n` : "";
      return `[sae.${sae}]\n${km === name ? `${own + skips + ofApplication(km)}\n` : `km = "km-${km}"\n`}`;
    });
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
${store(name)}

[kq1]
host = "127.0.0.1"
port = ${kq1}
${nodes ? tls : "plain = true\n"}
[kx]
host = "127.0.0.1"
port = ${kx.get(name)}
${tls}
${
  bare(name)
    ? ""
    : `[etsi014]
host = "127.0.0.1"
port = ${etsi}
${tls}${typeof door === "string" ? door : door(name)}`
}
${nodes ? `[skip]\nhost = "127.0.0.1"\nport = ${skip}\n` : ""}
[log]
level = "${logLevel}"

${relay === undefined ? "" : `[relay]\n${relay(name)}\n`}
${links.join("\n")}
${modules.join("\n")}
${saes.join("\n")}
${tables(name)}
`,
  );
  const process = new NodeProcess(
    config,
    `${folder}/${name}.log`,
    (line) => onLog?.(name, line),
    program,
  );
  return {
    name,
    end: name,
    process,
    state,
    config,
    masterKey: `${folder}/master-${name}`,
    url: `https://127.0.0.1:${etsi}`,
    kq1,
    node: { ca: `${folder}/ca.crt`, ...node },
    skip: { host: "127.0.0.1", port: skip },
    application: applications[0] as PairApplication,
    applications,
    status: () => ask<KmStatus>([`${state}/control`], "status"),
  };
}

interface Made {
  readonly id: string;
  readonly key: string;
}

/** A connection over Kq-1, as the KM's node makes one; without TLS where there are no nodes. */
export function moduleSide({ name, kq1: port, node }: KmOfNet): Socket {
  const at = { host: "127.0.0.1", port };
  if (node.cert === "") return connect(at);
  const [ca, cert, key] = [node.ca, node.cert, node.key].map((file) => readFileSync(file, "utf8"));
  return connectTls({ ...at, servername: `km-${name}`, ca, cert, key } as never);
}

/** @returns how many were answered `success`: all of them, or it rejects */
export async function supply(
  socket: Socket,
  module: string,
  matching: string,
  bytes: number,
  keys: readonly Made[],
): Promise<number> {
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
  return keys.length - left;
}
