import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Custody, type CustodyEvent, type CustodyOptions } from "../../src/custody/custody.ts";
import { LedgerFile } from "../../src/custody/ledger-file.ts";
import type { KmLink } from "../../src/custody/ports.ts";
import { backoff } from "../../src/lifecycle/retry.ts";
import {
  type BlockFacts,
  type BlockRef,
  blockName,
  KeyBlock,
  type QkdKey,
} from "../../src/port/key.ts";
import { silentLog } from "../../src/port/log.ts";
import type { ModuleSession } from "../../src/port/module.ts";
import { diskFiles } from "../../src/state/files.ts";
import { ManualClock, settle } from "../clock.ts";
import { random } from "../random.ts";

const epoch = "00112233aabbccdd";

/** A module that keeps blocks until it is told to release them, as the port demands. */
class Module {
  readonly blocks = new Map<string, { facts: BlockFacts; bytes: Buffer; offered: boolean }>();
  readonly released: string[] = [];
  credit = { blocks: 0, bytes: 0 };
  granted = { blocks: 0, bytes: 0 };
  #custody: Custody | undefined;

  add(number: number, bits = 256, more: Partial<BlockFacts> = {}): void {
    const facts = { ref: { epoch, number }, bits, qber: 0.03, ...more };
    const bytes = Buffer.alloc(Math.ceil(bits / 8), number + 1);
    this.blocks.set(blockName(facts.ref), { facts, bytes, offered: false });
  }

  connect(custody: Custody): void {
    this.#custody = custody;
    this.credit = { blocks: 0, bytes: 0 };
    for (const block of this.blocks.values()) block.offered = false;
    const session: Partial<ModuleSession> = {
      identity: {
        moduleId: "QKD-A",
        matchingModuleId: "QKD-B",
        role: "alice",
        vendor: "",
        model: "",
        serial: "",
        firmware: "",
        maxBlockBytes: 65_536,
      },
      grant: (blocks, bytes) => {
        this.credit.blocks += blocks;
        this.credit.bytes += bytes;
      },
      release: (refs) => this.#release(refs),
    };
    custody.moduleUp(session as ModuleSession, "QKD-B");
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

  #release(refs: readonly BlockRef[]): void {
    for (const ref of refs) {
      const name = blockName(ref);
      if (this.blocks.delete(name)) this.released.push(name);
    }
    this.#custody?.released(refs);
  }
}

/** A KM that answers when the test says so. */
class Km implements KmLink {
  readonly asked: string[] = [];
  readonly has = new Map<string, string>();
  outstanding: { id: string; content: string }[] = [];
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
    this.asked.push(key.id);
    this.outstanding.push({ id: key.id, content: Buffer.from(key.expose()).toString("hex") });
  }

  answer(response = "success", at = 0): void {
    const [key] = this.outstanding.splice(at, 1);
    if (key === undefined) return;
    if (response === "success") this.has.set(key.id, key.content);
    this.#custody.answered(key.id, response);
  }

  answerAll(response = "success"): void {
    for (let i = this.outstanding.length; i > 0; i--) this.answer(response);
  }
}

interface Bench {
  readonly module: Module;
  readonly clock: ManualClock;
  readonly events: CustodyEvent[];
  readonly path: string;
  custody: Custody;
  ledger: LedgerFile;
  /** A new process on the same ledger. */
  restart(): Promise<void>;
}

async function withBench(
  options: Partial<CustodyOptions>,
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-custody-"));
  const path = join(folder, "ledger");
  const clock = new ManualClock();
  const events: CustodyEvent[] = [];
  const make = async () => {
    const ledger = await LedgerFile.open(diskFiles, path, silentLog);
    const custody = new Custody(
      { qberLimit: 0.11, keyBits: undefined, maxHeldBlocks: 64, maxHeldBytes: 65_536, ...options },
      {
        ledger,
        clock,
        log: silentLog,
        backoff: () => backoff({ firstMs: 100, maxMs: 1_000, jitter: 0, random: () => 0 }),
        onEvent: (event) => events.push(event),
      },
    );
    return { ledger, custody };
  };
  const bench: Bench = {
    module: new Module(),
    clock,
    events,
    path,
    ...(await make()),
    async restart() {
      bench.module.disconnect();
      bench.custody.wipe();
      await bench.ledger.close();
      Object.assign(bench, await make());
    },
  };
  try {
    await body(bench);
  } finally {
    await bench.ledger.close();
    rmSync(folder, { recursive: true });
  }
}

/** Everything appended is on disk, and what follows from that has happened. */
async function durable(bench: Bench): Promise<void> {
  await new Promise<void>((resolve) => bench.ledger.whenDurable(resolve));
  await settle();
}

test("the module is told to release a key only after success, and after that is on disk", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    const km = new Km(custody);
    module.add(1);
    module.connect(custody);
    custody.kmUp(km);
    module.offer();
    t.is(km.asked.length, 1);
    await durable(bench);
    t.deepEqual(module.released, []);
    km.answer();
    t.deepEqual(module.released, [], "success alone is not enough");
    await durable(bench);
    t.deepEqual(module.released, [`${epoch}/1`]);
    t.is(bench.ledger.get(`${epoch}/1`), undefined);
  });
});

test("keys go out in order, no more than the window at once, and never beyond the credit", async (t) => {
  await withBench({ maxHeldBlocks: 8 }, async (bench) => {
    const { module, custody } = bench;
    for (let i = 0; i < 50; i++) module.add(i);
    module.connect(custody);
    t.is(module.credit.blocks, 8);
    const km = new Km(custody, 3);
    custody.kmUp(km);
    let most = 0;
    for (let i = 0; i < 50; i++) {
      module.offer();
      most = Math.max(most, custody.counters().held_blocks);
      t.true(km.outstanding.length <= 3);
      km.answer();
    }
    await durable(bench);
    t.true(most <= 8);
    t.is(module.blocks.size, 0);
    t.is(module.credit.blocks, 8, "credit is given back exactly once");
    t.deepEqual(km.asked.length, new Set(km.asked).size);
  });
});

test("after the KM was lost, unanswered keys are supplied again under the same IDs, in order", async (t) => {
  await withBench({}, async ({ module, custody }) => {
    for (let i = 0; i < 10; i++) module.add(i);
    module.connect(custody);
    const first = new Km(custody, 4);
    custody.kmUp(first);
    module.offer();
    first.answer("success", 2);
    custody.kmDown();
    const second = new Km(custody);
    custody.kmUp(second);
    const expected = first.asked.filter((id) => !first.has.has(id));
    t.deepEqual(second.asked.slice(0, expected.length), expected);
    t.is(second.asked.length, 9);
    t.is(custody.counters().repeats, 4);
  });
});

test("a KM that asks to wait is left alone for a growing time, and loses no key", async (t) => {
  await withBench({}, async ({ module, custody, clock }) => {
    module.add(1);
    module.connect(custody);
    const km = new Km(custody);
    custody.kmUp(km);
    module.offer();
    for (const [response, wait] of [
      ["busy", 100],
      ["storage_full", 200],
      ["busy", 400],
    ] as const) {
      km.answer(response);
      await clock.advance(wait - 1);
      t.is(km.outstanding.length, 0);
      await clock.advance(1);
      t.is(km.outstanding.length, 1);
    }
    km.answer();
    t.deepEqual(custody.counters().refused, { busy: 2, storage_full: 1 });
    t.is(custody.counters().confirmed, 1);
  });
});

test("a key whose hash does not match is tried three times and then quarantined", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody, events } = bench;
    module.add(1);
    module.add(2);
    module.connect(custody);
    const km = new Km(custody, 1);
    custody.kmUp(km);
    module.offer();
    for (let i = 0; i < 3; i++) km.answer("hash_mismatch");
    t.is(km.asked.length, 4, "the next key goes on");
    t.is(new Set(km.asked).size, 2);
    km.answer();
    await durable(bench);
    t.deepEqual(module.released, [`${epoch}/2`]);
    t.is(events[0]?.type, "key_quarantined");
  });
});

for (const reason of ["duplicate_key_ID", "unknown_module", "invalid_message", "no such reason"]) {
  test(`a key refused with "${reason}" is kept by the module and not supplied again`, async (t) => {
    await withBench({}, async (bench) => {
      const { module } = bench;
      module.add(1);
      module.add(2);
      module.connect(bench.custody);
      const km = new Km(bench.custody);
      bench.custody.kmUp(km);
      module.offer();
      km.answer(reason);
      km.answer();
      await durable(bench);
      t.deepEqual([...module.blocks.keys()], [`${epoch}/1`]);
      await bench.restart();
      module.connect(bench.custody);
      const after = new Km(bench.custody);
      bench.custody.kmUp(after);
      module.offer();
      t.deepEqual(after.asked, []);
    });
  });
}

test("a block above the QBER limit is withheld, also after a restart with a higher limit", async (t) => {
  await withBench({ qberLimit: 0.05 }, async (bench) => {
    const { module } = bench;
    module.add(1, 256, { qber: 0.0501 });
    module.add(2, 256, { qber: 0.05 });
    module.connect(bench.custody);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    module.offer();
    t.is(km.asked.length, 1);
    km.answer();
    await durable(bench);
    t.deepEqual([...module.blocks.keys()], [`${epoch}/1`]);
    t.deepEqual(
      bench.events.map((event) => event.type),
      ["key_withheld"],
    );
    await bench.restart();
    module.connect(bench.custody);
    bench.custody.kmUp(new Km(bench.custody));
    module.offer();
    t.is(bench.events.length, 1, "told once");
    t.is(module.blocks.size, 1);
  });
});

test("an empty block is told once and released", async (t) => {
  await withBench({}, async (bench) => {
    bench.module.add(1, 0, { qber: 0.12 });
    bench.module.connect(bench.custody);
    bench.module.offer();
    await durable(bench);
    t.is(bench.module.blocks.size, 0);
    t.is(bench.custody.counters().empty_blocks, 1);
    t.deepEqual(
      bench.events.map((event) => event.facts.qber),
      [0.12],
    );
  });
});

test("a block that is offered again while it is in flight is not supplied twice", async (t) => {
  await withBench({}, async (bench) => {
    const { module, custody } = bench;
    module.add(1);
    module.connect(custody);
    const km = new Km(custody);
    custody.kmUp(km);
    module.offer();
    module.disconnect();
    module.connect(custody);
    module.offer();
    t.is(km.asked.length, 1);
    km.answer();
    await durable(bench);
    t.is(module.blocks.size, 0);
    t.is(module.credit.blocks, 64, "the credit of both offers came back");
  });
});

test("a block that the KM has is released, not supplied, when it is offered after a restart", async (t) => {
  await withBench({}, async (bench) => {
    const { module } = bench;
    module.add(1);
    module.connect(bench.custody);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    module.offer();
    module.disconnect();
    km.answer();
    await durable(bench);
    t.is(module.blocks.size, 1, "the module never heard of it");
    await bench.restart();
    module.connect(bench.custody);
    const after = new Km(bench.custody);
    bench.custody.kmUp(after);
    module.offer();
    await durable(bench);
    t.deepEqual(after.asked, []);
    t.is(module.blocks.size, 0);
  });
});

test("a restart in the middle of a sliced block supplies only the missing slices", async (t) => {
  await withBench({ keyBits: 128 }, async (bench) => {
    const { module } = bench;
    module.add(1, 600);
    module.connect(bench.custody);
    const km = new Km(bench.custody);
    bench.custody.kmUp(km);
    module.offer();
    t.is(km.asked.length, 5);
    km.answer("success", 1);
    km.answer("success", 2);
    await durable(bench);
    t.deepEqual(module.released, []);
    await bench.restart();
    module.connect(bench.custody);
    const after = new Km(bench.custody);
    bench.custody.kmUp(after);
    module.offer();
    t.deepEqual(
      after.asked,
      km.asked.filter((id) => !km.has.has(id)),
    );
    after.answerAll();
    await durable(bench);
    t.deepEqual(module.released, [`${epoch}/1`]);
  });
});

test("stopping waits for what the KM was given, and takes no more", async (t) => {
  await withBench({}, async ({ module, custody }) => {
    for (let i = 0; i < 5; i++) module.add(i);
    module.connect(custody);
    const km = new Km(custody, 2);
    custody.kmUp(km);
    module.offer();
    let stopped = false;
    void custody.stop().then(() => {
      stopped = true;
    });
    km.answer();
    await settle();
    t.false(stopped);
    km.answer();
    await settle();
    t.true(stopped);
    t.is(km.asked.length, 2);
  });
});

/** What a real KM does: keeps what it said yes to over every connection. */
async function story(t: ExecutionContext, seed: number): Promise<void> {
  const draw = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)] as T;
  const stored = new Map<string, string>();
  await withBench({ keyBits: 128, maxHeldBlocks: 6 }, async (bench) => {
    const { module, clock } = bench;
    let next = 0;
    let km: Km | undefined;
    let connected = false;
    const answer = (response: string) => {
      const key = km?.outstanding[0];
      if (km === undefined || key === undefined) return;
      if (response === "success") {
        const known = stored.get(key.id);
        t.true(known === undefined || known === key.content, "one ID, two contents");
        stored.set(key.id, key.content);
      }
      km.answer(response);
    };
    const steps: readonly (() => void | Promise<void>)[] = [
      () => module.add(next++, pick([256, 300, 128]), draw() < 0.1 ? { qber: 0.3 } : {}),
      () => module.offer(),
      () => module.offer(),
      () => answer("success"),
      () => answer("success"),
      () => answer("success"),
      () => answer(pick(["busy", "hash_mismatch"])),
      () => {
        // The KM stores the key and the connection is lost before its answer.
        const key = km?.outstanding[0];
        if (key !== undefined) stored.set(key.id, key.content);
        if (km !== undefined) bench.custody.kmDown();
        km = undefined;
      },
      () => {
        if (km !== undefined) return;
        km = new Km(bench.custody, 4);
        bench.custody.kmUp(km);
      },
      () => {
        connected = !connected;
        if (connected) module.connect(bench.custody);
        else module.disconnect();
      },
      () => durable(bench),
      () => clock.advance(2_000),
      async () => {
        if (draw() > 0.2) return;
        km = undefined;
        connected = false;
        await bench.restart();
      },
    ];
    const check = () => {
      for (const name of module.released) {
        const number = Number(name.split("/")[1]);
        const hex = Buffer.alloc(16, number + 1).toString("hex");
        t.true([...stored.values()].includes(hex), `released ${name}, which the KM does not have`);
      }
      t.is(new Set(module.released).size, module.released.length);
    };
    for (let i = 0; i < 400; i++) {
      await pick(steps)();
      check();
    }
    // In the end everything that is not withheld arrives.
    if (!connected) module.connect(bench.custody);
    km = new Km(bench.custody, 4);
    bench.custody.kmDown();
    bench.custody.kmUp(km);
    for (let i = 0; i < 2_000 && module.blocks.size > 0; i++) {
      module.offer();
      answer("success");
      await clock.advance(1_100);
    }
    await durable(bench);
    check();
    const left = [...module.blocks.values()];
    for (const { facts } of left) {
      const record = bench.ledger.get(blockName(facts.ref));
      const kept = record?.withheld === true || (record?.quarantined.size ?? 0) > 0;
      t.true(kept, `seed ${seed}: block ${facts.ref.number} was left behind for no reason`);
    }
    t.is(module.released.length + left.length, next);
  });
}

for (let seed = 1; seed <= 12; seed++) {
  test(`whatever happens in whatever order, nothing is lost or doubled (seed ${seed})`, (t) =>
    story(t, seed));
}
