/** A Kq-1 session over real TLS with the test KM, in time that the test moves. */

import type { Socket } from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { silentLog } from "../../src/base/log.ts";
import { connectKm, type KmEndpoint } from "../../src/node/io/connect.ts";
import { Kq1Session, type Kq1SessionOptions } from "../../src/node/io/session.ts";
import { QkdKey } from "../../src/port/key.ts";
import { ManualClock } from "../clock.ts";
import { type Authority, createAuthority } from "../emulator/certificates.ts";
import { KeyManager, type KeyManagerOptions } from "../emulator/km/index.ts";

export const authority: Promise<Authority> = createAuthority("test CA");
export const never = new AbortController().signal;

export function key(n: number): QkdKey {
  const id = `00000000-0000-8000-8000-${n.toString(16).padStart(12, "0")}`;
  const facts = { ref: { epoch: "0".repeat(16), number: n }, bits: 256, qber: 0.03 };
  return new QkdKey(id, facts, Buffer.alloc(32, n + 1), 256);
}

export interface Line {
  readonly km: KeyManager;
  readonly session: Kq1Session;
  readonly clock: ManualClock;
  readonly answers: [string, string][];
  /** Resolves once that many answers came. */
  answered(count: number): Promise<void>;
}

export async function endpoint(
  port: number,
  change: Partial<KmEndpoint> = {},
): Promise<KmEndpoint> {
  const ca = await authority;
  const identity = await ca.issue({ commonName: "node", dns: ["node"], usage: "client" });
  return {
    host: "127.0.0.1",
    port,
    serverName: "km",
    tls: { ...identity, ca: ca.cert },
    connectTimeout: ms(10_000),
    ...change,
  };
}

export function createSession(
  socket: Socket,
  clock: ManualClock,
  change: Partial<Kq1SessionOptions> = {},
) {
  const answers: [string, string][] = [];
  const watchers = new Set<() => void>();
  const session = new Kq1Session(
    socket,
    {
      where: "km",
      moduleId: "QKD-A",
      matchingModuleId: "QKD-B",
      window: 8,
      answerTimeout: ms(5_000),
      clock,
      log: silentLog,
      ...change,
    },
    {
      answered: ({ id }, response) => {
        answers.push([id, response]);
        for (const check of watchers) check();
      },
    },
  );
  const answered = (count: number) =>
    new Promise<void>((resolve) => {
      const check = () => answers.length >= count && resolve();
      watchers.add(check);
      check();
    });
  return { session, answers, answered };
}

export async function withKm(
  options: Partial<KeyManagerOptions>,
  body: (line: Line) => Promise<void>,
  change: Partial<Kq1SessionOptions> = {},
): Promise<void> {
  const ca = await authority;
  const identity = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const km = new KeyManager({ security: { ...identity, ca: ca.cert }, ...options });
  const port = await km.listen();
  const clock = new ManualClock();
  const socket = await connectKm(await endpoint(port), systemClock, never);
  const { session, answers, answered } = createSession(socket, clock, change);
  try {
    await body({ km, session, clock, answers, answered });
  } finally {
    await session.close();
    await km.close();
  }
}
