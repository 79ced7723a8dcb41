/** The node's own custody, ledger and Kq-1 session against a test KM over real sockets, without a node. */

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { ms } from "../../src/base/duration.ts";
import { silentLog } from "../../src/base/log.ts";
import { backoff } from "../../src/base/retry.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import { Custody } from "../../src/node/custody/custody.ts";
import { connectKm } from "../../src/node/io/connect.ts";
import { Kq1Session } from "../../src/node/io/session.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { eventually } from "../eventually.ts";
import { Module } from "./custody-bench.ts";

const never = new AbortController().signal;

export class KmBench {
  readonly module = new Module();
  readonly km: KeyManager;
  /** Keys distilled so far, each of 256 bits, no two alike. */
  keys = 0;
  readonly #folder: string;
  readonly #ledger: LedgerFile;
  readonly #custody: Custody;
  readonly #port: number;
  readonly #host: string;

  private constructor(
    folder: string,
    ledger: LedgerFile,
    km: KeyManager,
    host: string,
    port: number,
  ) {
    this.#folder = folder;
    this.#ledger = ledger;
    this.km = km;
    this.#host = host;
    this.#port = port;
    this.#custody = new Custody(
      { qberLimit: 0.11, keyBits: undefined, maxHeldBlocks: 64, maxHeldBytes: 1_048_576 },
      {
        ledger,
        clock: systemClock,
        log: silentLog,
        backoff: () => backoff({ firstMs: 1, maxMs: 1, random: () => 0 }),
        onEvent: () => {},
      },
    );
    this.module.connect(this.#custody);
  }

  static async open(host = "127.0.0.1"): Promise<KmBench> {
    const folder = mkdtempSync(join(tmpdir(), "qkd-km-bench-"));
    const ledger = await LedgerFile.open(diskFiles, join(folder, "ledger"), silentLog);
    const km = new KeyManager({ security: "plain" });
    const port = await km.listen({ host });
    return new KmBench(folder, ledger, km, host, port);
  }

  /** Has the module hold at least that many blocks. */
  distil(blocks: number): void {
    while (this.module.blocks.size < blocks) {
      const content = createHash("sha256").update(`key ${this.keys}`).digest();
      this.module.add(this.keys++, 256, {}, content);
    }
    this.module.offer();
  }

  /**
   * Connects to the KM and stays until it is so, or the connection ends.
   * @returns the fault that ended it, if one did
   */
  async live(until: () => boolean, answerTimeout = ms(5_000)): Promise<Error | undefined> {
    const endpoint = {
      host: this.#host,
      port: this.#port,
      serverName: "km",
      tls: undefined,
      connectTimeout: ms(5_000),
    };
    const socket = await connectKm(endpoint, systemClock, never);
    const session = new Kq1Session(
      socket,
      {
        where: "km",
        moduleId: "QKD-A",
        matchingModuleId: "QKD-B",
        window: 4,
        answerTimeout,
        clock: systemClock,
        log: silentLog,
      },
      this.#custody,
    );
    let over = false;
    void session.ended.then(() => {
      over = true;
    });
    this.#custody.kmUp(session);
    await eventually("what the session is for, or its end", () => until() || over);
    void session.close();
    const fault = await session.ended;
    this.#custody.kmDown();
    return fault;
  }

  /** What must be 0 in the end. */
  outcome(): { lost: number; conflicts: number; held: number } {
    const { keys: stored, conflicts } = this.km.store.summary();
    const contents = new Set(this.km.store.digest(Buffer.alloc(32)).values());
    return {
      lost: this.keys - stored,
      conflicts: conflicts + stored - contents.size,
      held: this.module.blocks.size,
    };
  }

  async close(): Promise<void> {
    await this.#ledger.close();
    await this.km.close();
    rmSync(this.#folder, { recursive: true });
  }
}
