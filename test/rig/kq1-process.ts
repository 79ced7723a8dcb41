/** A process with the key manager's servers of Kq-1, whose store keeps no key: to look at its memory. */

import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { createLog } from "../../src/base/log.ts";
import { Wishes } from "../../src/km/acquisition/wishes.ts";
import { HttpsRequests } from "../../src/km/io/https-requests.ts";
import { HttpsSupplyServer } from "../../src/km/io/https-supply-server.ts";
import { Kq1Server } from "../../src/km/io/kq1-server.ts";
import type { ServerTexts } from "../../src/km/io/tls-door.ts";
import { Turn } from "../../src/km/io/turn.ts";
import { moduleA, openIntake } from "./kq1-intake.ts";
import { MemoryKeyStore } from "./memory-key-store.ts";

/** What the process is told when it starts, as JSON. */
export interface ProcessOptions {
  readonly tls: ServerTexts;
  /** Of a node's key server, which is asked for keys. */
  readonly askAt?: number;
}

/** It answers as a store does, and has nothing. */
class NoStore extends MemoryKeyStore {
  override put: MemoryKeyStore["put"] = (module, keys, done) => {
    const stored = {
      module,
      at: 0,
      handles: Float64Array.from(keys.bits, (_, i) => i),
      ids: Buffer.from(keys.ids),
      bits: keys.bits.slice(),
      generatedAt: keys.generatedAt.slice(),
      qber: keys.qber.slice(),
    };
    setImmediate(() => done(stored));
  };

  override equals: MemoryKeyStore["equals"] = (_handle, _bytes, done) => {
    setImmediate(() => done(true));
  };
}

if (process.send !== undefined) {
  const { tls, askAt } = JSON.parse(process.argv[2] ?? "") as ProcessOptions;
  const log = createLog(() => {}, "error");
  const turn = new Turn(openIntake(new NoStore()).intake);
  const common = { host: "127.0.0.1", port: 0, tls, turn, log };
  const tcp = await new Kq1Server(common).listen();
  const https = await new HttpsSupplyServer(common).listen();
  if (askAt !== undefined) {
    let asked = 0;
    const wishes = new Wishes({
      size: 256,
      number: 200,
      stock: () => 0,
      low: 1,
      high: 2,
      hasRoom: () => asked < 5,
      firstWaitMs: 10,
      lastWaitMs: 100,
      answerTimeout: ms(10_000),
      drawToken: () => `a name of its own: ${asked++}`,
      random: Math.random,
    });
    const more = {
      port: askAt,
      serverName: "127.0.0.1",
      tls: () => tls,
      answerTimeout: ms(10_000),
    };
    const clock = systemClock;
    new HttpsRequests({ ...more, host: "127.0.0.1", module: moduleA, wishes, turn, clock, log });
  }
  process.send({ tcp, https });
}
