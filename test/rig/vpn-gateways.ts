/** Two gateways, and `qkd-psk` at each, which gets its keys from a whole QKD link. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { freePort } from "./free-port.ts";
import { Gateway } from "./gateways.ts";
import type { KmPair, PairApplication } from "./km-pair.ts";
import { NodeProcess } from "./node-process.ts";
import { qkdPsk } from "./psk-ends.ts";
import { Rig } from "./rig.ts";

export interface VpnGateway {
  readonly gateway: Gateway;
  readonly application: PairApplication;
  readonly psk: NodeProcess;
}

export interface VpnGateways {
  readonly a: VpnGateway;
  readonly b: VpnGateway;
  /** What stands in a page, and what stands here for it. */
  readonly places: Readonly<Record<string, string>>;
}

/** @param tunnel name of qkd-psk's configuration: `/etc/qkd-psk/TUNNEL.toml` is the caller's to write */
export async function vpnGateways(t: ExecutionContext, tunnel: string): Promise<VpnGateways> {
  const rig = await Rig.start({
    source: seedSource({ seed: 9, blockBits: 8_192, blocks: 20, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
  });
  t.teardown(() => rig.close());
  const { alice, bob } = rig.kms as KmPair;
  const gateways = await Gateway.pair(rig.folder);
  t.teardown(() => Promise.all(gateways.map((one) => one.close())));
  const made: VpnGateway[] = [];
  for (const [i, km] of [alice, bob].entries()) {
    const gateway = gateways[i] as Gateway;
    const application = km.applications[0] as PairApplication;
    const { ca, cert, key, saeId } = application;
    await gateway.write("/etc/qkd-psk/ca.crt", readFileSync(ca, "utf8"));
    await gateway.write(`/etc/qkd-psk/${saeId}.crt`, readFileSync(cert, "utf8"));
    await gateway.write(`/etc/qkd-psk/${saeId}.key`, readFileSync(key, "utf8"));
    const config = `/etc/qkd-psk/${tunnel}.toml`;
    const log = join(rig.folder, `qkd-psk-${km.end}.log`);
    const psk = new NodeProcess(config, log, undefined, gateway.launcher(qkdPsk));
    t.teardown(() => psk.stop());
    made.push({ gateway, application, psk });
  }
  const [a, b] = made as [VpnGateway, VpnGateway];
  const places = {
    "vpn-a": a.application.saeId,
    "vpn-b": b.application.saeId,
    "https://km-a.example:9445": alice.url,
    "https://km-b.example:9445": bob.url,
    "9446": String(await freePort()),
  };
  return { a, b, places };
}

/** Keys that it has seen in use. */
export function keysOf({ psk }: VpnGateway): number {
  return psk.lines.filter((line) => line.includes(`msg="key in use"`)).length;
}

/**
 * Packets from one end to the other while something happens, and how many of them were lost. Once more, up to twice, if
 * any was: a busy machine drops one now and then, and a change of keys that costs packets costs them each time.
 */
export async function lostWhile(
  gateway: Gateway,
  args: string,
  happens: () => Promise<void>,
): Promise<{ readonly sent: number; readonly lost: number }> {
  for (let left = 2; ; left--) {
    const count = await pinging(gateway, args);
    await happens();
    const counted = await count();
    if (counted.lost === 0 || left === 0) return counted;
  }
}

/** Packets from one end to the other, fifty a second, until they are counted. */
async function pinging(gateway: Gateway, args: string) {
  const ping = gateway.begin(`exec ping -i 0.02 ${args}`);
  let rest = "";
  const answered = new Set<number>();
  ping.stdout?.on("data", (text: Buffer) => {
    const lines = (rest + text.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, number] = /icmp_seq=(\d+) ttl=/.exec(line) ?? [];
      if (number !== undefined) answered.add(Number(number));
    }
  });
  const ended = new Promise((resolve) => ping.once("close", resolve));
  return async () => {
    await gateway.type("pkill -INT ping");
    await ended;
    // Those after the last that was answered are on their way, and not lost.
    const sent = Math.max(0, ...answered);
    return { sent, lost: sent - answered.size };
  };
}
