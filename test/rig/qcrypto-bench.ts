/** The qcrypto driver on real files and a real pipe, which an emulated stack writes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { qcrypto } from "../../drivers/qcrypto/kind.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { hold } from "../../src/host/disk/hold.ts";
import type { BlockFacts, BlockRef, KeyBlock } from "../../src/port/key.ts";
import type { ModuleDriver, ModuleSession } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";
import { keyBytes } from "../conformance/qmlp.ts";
import { QcryptoStack, type StackBlock } from "../emulator/qcrypto.ts";

const never = new AbortController().signal;

/** A stack in a folder of its own, and the node's driver before it. */
export class QcryptoBench {
  readonly root = mkdtempSync(join(tmpdir(), "qkd-qcrypto-"));
  readonly stack: QcryptoStack;
  readonly blocks: KeyBlock[] = [];
  readonly damaged: { readonly facts: BlockFacts; readonly why: string }[] = [];
  readonly released: BlockRef[] = [];
  readonly samples: TelemetrySample[] = [];
  readonly events: string[] = [];
  /** Called with each block as it comes. */
  onBlock: (block: KeyBlock) => void = () => {};
  readonly driver: ModuleDriver;
  session: ModuleSession | undefined;
  readonly #alive = setInterval(() => {}, 60_000);

  constructor(wait = 60, says: "pipe" | "file" = "pipe") {
    this.stack = new QcryptoStack(this.root, says);
    this.driver = this.newDriver(wait);
  }

  newDriver(wait = 60, epoch = "0000000000000000"): ModuleDriver {
    return qcrypto.create(
      {
        folder: this.stack.folder,
        pipe: this.stack.pipe,
        module_id: "QKD-A-0001",
        matching_module_id: "QKD-B-0001",
        role: "alice",
        epoch,
        max_block_bytes: 1_048_576,
        notification_wait_s: wait,
      },
      { clock: systemClock, log: silentLog, hold },
    );
  }

  async connect(driver = this.driver, credit = 1_000): Promise<ModuleSession> {
    const session = await driver.connect(
      {
        block: (block) => {
          this.blocks.push(block);
          this.onBlock(block);
        },
        damaged: (facts, why) => this.damaged.push({ facts, why }),
        released: (refs) => this.released.push(...refs),
        telemetry: (sample) => this.samples.push(sample),
        absent: () => {},
        event: ({ code, severity }) => this.events.push(`${code} ${severity}`),
      },
      never,
    );
    session.grant(credit, credit * 1_000_000);
    this.session = session;
    return session;
  }

  async close(): Promise<void> {
    clearInterval(this.#alive);
    await this.session?.close();
    this.stack.close();
    rmSync(this.root, { recursive: true, force: true });
  }
}

export async function withStack(
  body: (bench: QcryptoBench) => Promise<void>,
  wait?: number,
  says?: "pipe" | "file",
): Promise<void> {
  const bench = new QcryptoBench(wait, says);
  try {
    await body(bench);
  } finally {
    await bench.close();
  }
}

export function block(number: number, bits: number, more: Partial<StackBlock> = {}): StackBlock {
  const epoch = 0xb8b5c000 + number * 5;
  const bytes = keyBytes(number, bits);
  return { epoch, bits, bytes, siftedBits: bits * 3, qber: 0.03, epochs: 5, ...more };
}
