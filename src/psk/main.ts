/** The rotation of a tunnel's key, wired together: read this first. */
import { statfsSync } from "node:fs";
import { delay, systemClock } from "../base/clock.ts";
import { describe, Fault } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import { createLog, type Log } from "../base/log.ts";
import { backoff } from "../base/retry.ts";
import { softwareVersion } from "../base/version.ts";
import { diskFiles } from "../host/disk/files.ts";
import { lockFolder } from "../host/disk/lock.ts";
import { retryUntilReady } from "../host/life/retry-until-ready.ts";
import { stopRequested } from "../host/life/signals.ts";
import type { CredentialFiles } from "../host/tls/credentials.ts";
import type { PskConfig } from "./config/load.ts";
import { KeyFiles } from "./io/key-files.ts";
import { KmClient } from "./io/km-client.ts";
import { dialPeer } from "./io/peer-line.ts";
import { ProgramTunnel } from "./io/run-program.ts";
import { SlaveServer } from "./io/slave-server.ts";
import { withState } from "./io/state-files.ts";
import { StrongswanTunnel } from "./io/strongswan.ts";
import { TunnelEnd } from "./rotation/end.ts";
import { Master } from "./rotation/master.ts";
import type { Tunnel } from "./rotation/ports.ts";
import { Slave } from "./rotation/slave.ts";
import { told, untilStopped } from "./until-stopped.ts";

const clock = systemClock;
/** How often both ends see that they have the same key, ms: one that was started anew may have lost it. */
const agreeEvery = 15_000;
const waits = { firstMs: 500, maxMs: 15_000 } as const;
/** Of statfs(2): a file system in memory. */
const tmpfs = 0x01021994;

/** Runs until it is told to stop. @returns an exit code */
export async function run(config: PskConfig): Promise<number> {
  const stamp = config.log.timestamps ? () => new Date(clock.wall()).toISOString() : undefined;
  process.stderr.on("error", () => {});
  const write = (line: string) => void process.stderr.write(`${line}\n`);
  const log = createLog(write, config.log.level, stamp).child("psk");
  const stopping = new AbortController();
  stopRequested().then(() => stopping.abort());
  try {
    await rotate(config, log, stopping.signal);
    log.info("stopped");
    return exit.ok;
  } catch (error) {
    log.error(describe(error));
    return error instanceof Fault ? exit.io : exit.software;
  }
}

async function rotate(config: PskConfig, log: Log, signal: AbortSignal): Promise<void> {
  const { role, state_dir, km, peer, key_bits } = config;
  log.info("starting", { version: softwareVersion, role, peer: peer.sae });
  await withState(state_dir, "cannot make the state folder", () => diskFiles.makeFolder(state_dir));
  const lock = await lockFolder(state_dir);
  try {
    if (statfsSync(state_dir).type !== tmpfs) {
      log.warn("state_dir is not in memory: keys of the tunnel come to a disk", { state_dir });
    }
    const place = await KeyFiles.open(state_dir);
    const tunnel = tunnelOf(config, log);
    const end = new TunnelEnd(place, tunnel);
    const source = new KmClient({
      url: km.url,
      serverName: km.server_name ?? new URL(km.url).hostname.replace(/^\[|\]$/g, ""),
      files: km,
      partner: peer.sae,
      size: key_bits,
      clock,
    });
    // Its own certificate is the application's; whom the other end has its certificate from may differ.
    const ca = peer.ca ?? km.ca;
    const files: CredentialFiles = { ca, cert: km.cert, key: km.key, crl: peer.crl };
    const name = peer.name ?? peer.sae;
    const work =
      role === "slave"
        ? follow({ config, name, files, place, end, source, log }, signal)
        : lead(masterOf({ config, name, files, place, end, tunnel, source }), log, signal);
    await untilStopped(work, signal, { clock, log });
  } finally {
    lock.release();
  }
}

interface End {
  readonly config: PskConfig;
  /** The name that the other end's certificate must carry. */
  readonly name: string;
  readonly files: CredentialFiles;
  readonly place: KeyFiles;
  readonly end: TunnelEnd;
  readonly source: KmClient;
}

/** Hears its master until it is told to stop. */
async function follow(parts: End & { readonly log: Log }, signal: AbortSignal): Promise<void> {
  const { config, name, files, place, end, source, log } = parts;
  const slave = new Slave({ place, end, source, log });
  // What it was before it was started anew.
  await end.settle().catch((error: unknown) => log.warn(describe(error)));
  const at = config.listen as NonNullable<PskConfig["listen"]>;
  const hear = slave.hear.bind(slave);
  const schedule = () => backoff({ ...waits, random: Math.random });
  // An address, or a certificate, may come later than this program.
  const server = await retryUntilReady(
    { name: "cannot begin", codes: ["psk.peer"], schedule, clock, log, signal },
    async () => {
      const door = new SlaveServer({ ...at, name, files, hear, clock, log });
      try {
        log.info("listening", { host: at.host, port: await door.listen() });
        return door;
      } catch (error) {
        door.close();
        throw error;
      }
    },
  ).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  await told(signal);
  server?.close();
  await slave.settled();
}

function masterOf(parts: End & { readonly tunnel: Tunnel }): Master {
  const { config, name, files, place, end, tunnel, source } = parts;
  const { host = "", port = 0 } = config.peer;
  const dial = () => dialPeer({ host, port, name, files, clock });
  const interval = config.interval_s;
  return new Master({ place, end, tunnel, source, dial, interval, now: () => clock.now() });
}

/** Rounds without end: a failed one is repeated soon, with another key. */
async function lead(master: Master, log: Log, signal: AbortSignal): Promise<void> {
  let failures = backoff({ ...waits, random: Math.random });
  let last = "";
  while (!signal.aborted) {
    let wait: number;
    try {
      const id = await master.round();
      if (id !== undefined) log.info("key in use", { key_id: id });
      else if (last !== "") log.info("both ends have the same key");
      last = "";
      failures = backoff({ ...waits, random: Math.random });
      wait = Math.min(master.left, agreeEvery);
    } catch (error) {
      const why = describe(error);
      if (!(error instanceof Fault)) throw error;
      if (why !== last) log.warn(why);
      last = why;
      wait = failures.next().value;
    }
    await delay(clock, wait, signal);
  }
}

function tunnelOf({ wireguard, strongswan, command, state_dir }: PskConfig, log: Log): Tunnel {
  if (strongswan !== undefined) {
    const { socket, ppk_id: ppkId, connection } = strongswan;
    return new StrongswanTunnel({ socket, ppkId, connection, clock, log });
  }
  const folder = state_dir;
  if (command !== undefined) {
    const words = command.run as [string, ...string[]];
    // What it does with a key is not known.
    const isRepeatable = false;
    return new ProgramTunnel({
      command: words,
      format: command.format,
      isRepeatable,
      folder,
      clock,
    });
  }
  const { interface: name = "", peer = "" } = wireguard ?? {};
  const set = ["wg", "set", name, "peer", peer, "preshared-key", "%f"] as const;
  // An interface that was made anew has none.
  return new ProgramTunnel({ command: set, format: "base64", isRepeatable: true, folder, clock });
}
