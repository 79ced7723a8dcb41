/** A custody with a real ledger on disk, between a module and a KM that do what a test says. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { backoff } from "../../src/base/retry.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import { Custody, type CustodyOptions } from "../../src/node/custody/custody.ts";
import { recordWithin } from "../../src/node/custody/deliveries.ts";
import type { CustodyEvent } from "../../src/node/custody/events.ts";
import { kmNames } from "../../src/node/custody/owners.ts";
import { claimantOfKm } from "../../src/node/keys/key-id.ts";
import type { KmLink } from "../../src/node/keys/ports.ts";
import { LedgerFile } from "../../src/node/ledger/ledger-file.ts";
import { pairId } from "../../src/node/ledger/pairs.ts";
import {
  type BlockFacts,
  type BlockRef,
  blockName,
  KeyBlock,
  type QkdKey,
} from "../../src/port/key.ts";
import type { ModuleIdentity, ModuleSession } from "../../src/port/module.ts";
import { ManualClock, settle } from "../clock.ts";
import { someIdentity } from "./identity.ts";

export const epoch = "00112233aabbccdd";

/** A module that keeps blocks until it is told to release them, as the port demands. */
export class Module {
  readonly blocks = new Map<string, { facts: BlockFacts; bytes: Buffer; offered: boolean }>();
  readonly released: string[] = [];
  readonly discarded: string[] = [];
  credit = { blocks: 0, bytes: 0 };
  granted = { blocks: 0, bytes: 0 };
  identity: ModuleIdentity = someIdentity;
  /** ID of the matching module. */
  matching = "QKD-B";
  /** Whether it says which blocks are its newest as a session begins. */
  tellsNewest = true;
  #custody: Custody | undefined;

  /** @param content the block's bytes; each byte the number plus one if it does not matter */
  add(
    number: number,
    bits = 256,
    more: Partial<Omit<BlockFacts, "qber">> & { readonly qber?: number | undefined } = {},
    content?: Buffer,
  ): void {
    const facts = { ref: { epoch, number }, bits, qber: 0.03, ...more } as BlockFacts;
    const bytes = content ?? Buffer.alloc(Math.ceil(bits / 8), number + 1);
    this.blocks.set(blockName(facts.ref), { facts, bytes, offered: false });
  }

  connect(custody: Custody): void {
    this.#custody = custody;
    this.credit = { blocks: 0, bytes: 0 };
    for (const block of this.blocks.values()) block.offered = false;
    const session: Partial<ModuleSession> = {
      identity: { ...this.identity, ...(this.tellsNewest && { newest: this.#newest() }) },
      grant: (blocks, bytes) => {
        this.credit.blocks += blocks;
        this.credit.bytes += bytes;
      },
      release: (refs) => this.#release(refs),
      discard: (refs) => {
        this.discarded.push(...refs.map(blockName));
        this.#release(refs);
      },
      read: (refs) => {
        for (const ref of refs) {
          const block = this.blocks.get(blockName(ref));
          if (block !== undefined) block.offered = false;
        }
      },
    };
    custody.moduleUp(session as ModuleSession, this.matching);
  }

  disconnect(): void {
    this.#custody?.moduleDown();
    this.#custody = undefined;
  }

  /** Offers what credit allows. */
  offer(): void {
    for (const block of this.blocks.values()) {
      if (block.offered || this.#custody === undefined) continue;
      if (this.credit.blocks < 1 || this.credit.bytes < block.bytes.length) return;
      this.credit.blocks--;
      this.credit.bytes -= block.bytes.length;
      block.offered = true;
      this.#custody.block(new KeyBlock(block.facts, Buffer.from(block.bytes)));
    }
  }

  #newest(): BlockRef[] {
    const newest = new Map<string, BlockRef>();
    for (const { facts } of this.blocks.values()) {
      const { epoch, number } = facts.ref;
      if ((newest.get(epoch)?.number ?? -1) < number) newest.set(epoch, facts.ref);
    }
    return [...newest.values()];
  }

  #release(refs: readonly BlockRef[]): void {
    for (const ref of refs) {
      const name = blockName(ref);
      if (this.blocks.delete(name)) this.released.push(name);
    }
    this.#custody?.released(refs);
  }
}

/** A KM that answers when the test says so. */
export class Km implements KmLink {
  /** Called before a key is taken. */
  onSupply: (key: QkdKey) => void = () => {};
  readonly asked: string[] = [];
  readonly has = new Map<string, string>();
  outstanding: { id: string; key: QkdKey; content: string }[] = [];
  readonly #window: number;
  readonly #custody: Custody;

  constructor(custody: Custody, window = 256) {
    this.#window = window;
    this.#custody = custody;
  }

  get room(): number {
    return this.#window - this.outstanding.length;
  }

  supply(key: QkdKey): void {
    this.onSupply(key);
    this.asked.push(key.id);
    this.outstanding.push({ id: key.id, key, content: Buffer.from(key.expose()).toString("hex") });
  }

  answer(response = "success", at = 0): void {
    const [one] = this.outstanding.splice(at, 1);
    if (one === undefined) return;
    if (response === "success") this.has.set(one.id, one.content);
    this.#custody.answered(one.key, response);
  }

  answerAll(response = "success"): void {
    for (let i = this.outstanding.length; i > 0; i--) this.answer(response);
  }
}

export interface Bench {
  readonly module: Module;
  readonly clock: ManualClock;
  readonly events: CustodyEvent[];
  readonly path: string;
  /** Keys may not leave. The custody is told by its own `halt` and `resume`. */
  halted: boolean;
  custody: Custody;
  ledger: LedgerFile;
  /** A new process on the same ledger. @param change of the configuration, which stays */
  restart(change?: Partial<CustodyOptions>): Promise<void>;
}

export interface BenchOptions extends Partial<CustodyOptions> {
  /** Nothing is known of the link yet: the first block has to wait for the disk. */
  readonly fresh?: boolean;
}

/** As if the link had been in use before: whose its blocks are, and how they are cut, is on disk. */
async function leaveCut(ledger: LedgerFile, options: Partial<CustodyOptions>): Promise<void> {
  const { onRequest = false, keyBits, kms = ["km"] } = options;
  const claimant = kms.length === 1 && !onRequest ? claimantOfKm(kms[0] as string) : undefined;
  const pair = { moduleId: someIdentity.moduleId, matchingModuleId: "QKD-B" };
  for (const entry of ledger.namingOf(pair)) ledger.append(entry);
  ledger.append({ kind: "paired", ref: { epoch, number: 0 }, id: pairId(pair) });
  ledger.append({ kind: "module", id: pairId(pair) });
  ledger.append({ kind: "cut", ref: { epoch, number: 999_999 }, keyBits, onRequest, claimant });
  await new Promise<void>((resolve) => ledger.whenDurable(resolve));
}

export async function withBench(
  options: BenchOptions,
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-custody-"));
  const path = join(folder, "ledger");
  const clock = new ManualClock();
  const events: CustodyEvent[] = [];
  let configured: Partial<CustodyOptions> = options;
  /** What a node's state remembers: all KMs that ever were in its configuration. */
  const known = new Map<string, string>();
  const make = async () => {
    for (const km of kmNames(configured.kms ?? ["km"])) {
      for (const claimant of km.claimants) known.set(claimant, km.name);
    }
    const ledger = await LedgerFile.open(diskFiles, path, silentLog);
    const custody = new Custody(
      {
        qberLimit: 0.11,
        keyBits: undefined,
        maxHeldBlocks: 64,
        maxHeldBytes: 65_536,
        ...configured,
      },
      {
        ledger,
        clock,
        log: silentLog,
        nameOfKm: (claimant) => known.get(claimant),
        backoff: () => backoff({ firstMs: 100, maxMs: 1_000, jitter: 0, random: () => 0 }),
        onEvent: (event) => events.push(event),
        halted: () => bench?.halted === true,
      },
    );
    return { ledger, custody };
  };
  let bench: Bench | undefined;
  const begun = await make();
  if (options.fresh !== true) await leaveCut(begun.ledger, options);
  const made: Bench = {
    module: new Module(),
    clock,
    events,
    path,
    halted: false,
    ...begun,
    async restart(change = {}) {
      configured = { ...configured, ...change };
      made.module.disconnect();
      made.custody.wipe();
      await made.ledger.close();
      Object.assign(made, await make());
    },
  };
  bench = made;
  try {
    await body(made);
  } finally {
    await made.ledger.close();
    rmSync(folder, { recursive: true });
  }
}

/** Everything appended is on disk, and what follows from that has happened. */
export async function durable(bench: Bench): Promise<void> {
  await bench.clock.advance(recordWithin);
  await new Promise<void>((resolve) => bench.ledger.whenDurable(resolve));
  await settle();
}
