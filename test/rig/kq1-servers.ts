/** The key manager's servers of Kq-1 over real TLS, in front of a store in memory. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../src/base/clock.ts";
import { createLog, type Log } from "../../src/base/log.ts";
import { HttpsSupplyServer } from "../../src/km/io/https-supply-server.ts";
import { Kq1Server, type LineWatcher } from "../../src/km/io/kq1-server.ts";
import { Kq2Lines } from "../../src/km/io/kq2-line.ts";
import type { DoorTimes, ServerTexts } from "../../src/km/io/tls-door.ts";
import { Turn } from "../../src/km/io/turn.ts";
import { type LinkChange, ModulesTold } from "../../src/km/nodes/told.ts";
import { QkdKey } from "../../src/port/key.ts";
import { type Authority, createAuthority } from "../emulator/certificates.ts";
import { moduleA, openIntake } from "./kq1-intake.ts";
import { MemoryKeyStore } from "./memory-key-store.ts";

export const authority: Promise<Authority> = createAuthority("Kq-1 CA");

/** What a KM shows at 127.0.0.1, under the name `km`. */
export async function kmTexts(): Promise<ServerTexts> {
  const ca = await authority;
  const own = await ca.issue({ commonName: "km", dns: ["km"], ip: ["127.0.0.1"], usage: "both" });
  return { ...own, ca: ca.cert };
}

/** What a node shows. */
export async function nodeTexts(name = "node-a"): Promise<ServerTexts> {
  const ca = await authority;
  const own = await ca.issue({ commonName: name, dns: [name], ip: ["127.0.0.1"], usage: "both" });
  return { ...own, ca: ca.cert };
}

export interface ServedOptions {
  readonly plain?: boolean;
  readonly https?: boolean;
  readonly times?: Partial<DoorTimes>;
  readonly watcher?: (turn: Turn, log: Log) => LineWatcher;
  readonly intake?: Parameters<typeof openIntake>[1];
  /** Kq-2 is offered, in this time. */
  readonly kq2?: Clock;
}

export async function serve(options: ServedOptions = {}) {
  const lines: string[] = [];
  const log = createLog((line) => void lines.push(line), "info");
  const opened = openIntake(new MemoryKeyStore(), options.intake);
  const turn = new Turn(opened.intake);
  const { plain = false, https = false, times = {} } = options;
  const tls = await kmTexts();
  const changes: LinkChange[] = [];
  const clock = options.kq2;
  const nodes = clock && {
    clock,
    told: new ModulesTold({
      modules: [moduleA],
      now: () => clock.now(),
      onLink: (change) => void changes.push(change),
    }),
  };
  const kq2 = nodes && new Kq2Lines({ ...nodes, log });
  const common = { host: "127.0.0.1", port: 0, turn, log, times, kq2 };
  const watcher = options.watcher?.(turn, log);
  const server = https
    ? new HttpsSupplyServer({ ...common, tls })
    : new Kq1Server({ ...common, tls: plain ? undefined : tls, ...(watcher && { watcher }) });
  const port = await server.listen();
  return { ...opened, server, port, lines, turn, log, kq2, nodes: nodes?.told, changes };
}

let next = 1;

/** A key that no other is like. */
export function newKey(bytes = 32): QkdKey {
  const number = next++;
  const id = `00000000-0000-8000-8000-${number.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number }, bits: bytes * 8, qber: 0.03 };
  const memory = Buffer.from(new Uint8Array(randomBytes(bytes)).buffer);
  return new QkdKey(id, facts, memory, bytes * 8);
}
