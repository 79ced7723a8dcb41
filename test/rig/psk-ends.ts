/** Both ends of a tunnel whose keys `qkd-psk` changes: configurations beside the two KMs' own files. */
import { mkdirSync, writeFileSync } from "node:fs";
import { freePort } from "./free-port.ts";
import type { KmPair, PairApplication } from "./km-pair.ts";
import { NodeProcess } from "./node-process.ts";
import { programPath } from "./programs.ts";

export const qkdPsk = programPath("qkd-psk");

export interface PskEndsOptions {
  readonly kms: KmPair;
  readonly folder: string;
  /** The tunnel's table of each end, TOML: the master's first. */
  readonly tunnel: readonly [string, string];
  readonly intervalS?: number;
  readonly program?: string;
}

export interface PskEnds {
  readonly master: NodeProcess;
  readonly slave: NodeProcess;
}

/** Starts nothing. Alice's first application is the master, Bob's first the slave. */
export async function pskEnds(options: PskEndsOptions): Promise<PskEnds> {
  const { kms, folder, tunnel, intervalS = 1, program = qkdPsk } = options;
  const port = await freePort();
  const make = (km: KmPair["alice"], other: KmPair["alice"], role: "master" | "slave") => {
    const [own] = km.applications as [PairApplication];
    const [theirs] = other.applications as [PairApplication];
    const place = `${folder}/${role}`;
    mkdirSync(place, { recursive: true });
    const way =
      role === "master" ? `host = "127.0.0.1"\nport = ${port}` : `[listen]\nport = ${port}`;
    writeFileSync(
      `${place}/psk.toml`,
      `role = "${role}"
state_dir = "${place}/state"
interval_s = ${intervalS}

[km]
url = "${km.url}"
server_name = "km-${km.end}"
ca = "${own.ca}"
cert = "${own.cert}"
key = "${own.key}"

[peer]
sae = "${theirs.saeId}"
${way}

${tunnel[role === "master" ? 0 : 1]}
`,
    );
    return new NodeProcess(`${place}/psk.toml`, `${place}/log`, undefined, program);
  };
  return {
    master: make(kms.alice, kms.bob, "master"),
    slave: make(kms.bob, kms.alice, "slave"),
  };
}
