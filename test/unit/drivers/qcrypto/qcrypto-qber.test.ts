import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { fileName } from "../../../../drivers/qcrypto/file.ts";
import { KeyFolder } from "../../../../drivers/qcrypto/folder.ts";
import { Gone } from "../../../../drivers/qcrypto/gone.ts";
import { Journal } from "../../../../drivers/qcrypto/journal.ts";
import { qcrypto } from "../../../../drivers/qcrypto/kind.ts";
import { openSource } from "../../../../drivers/qcrypto/open-source.ts";
import { QcryptoSession } from "../../../../drivers/qcrypto/session.ts";
import { Stock, Told } from "../../../../drivers/qcrypto/stock.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import type { KeyBlock } from "../../../../src/port/key.ts";
import type { ModuleSession } from "../../../../src/port/module.ts";
import { eventually } from "../../../eventually.ts";
import { someIdentity } from "../../../rig/identity.ts";
import { block, QcryptoBench, withStack } from "../../../rig/qcrypto-bench.ts";

const ways = ["pipe", "file"] as const;
const qberOf = (number: number) => 0.01 + number / 10_000;
const made = (number: number) => block(number, 200, { qber: qberOf(number) });
const facts = (blocks: readonly KeyBlock[]) =>
  blocks.map(({ ref, facts: { qber } }) => [ref.number, qber]);

/** The QBER of each block that a node would be offered that starts on a copy of the folder. */
async function afterKill(folder: string): Promise<ReadonlyMap<number, number | undefined>> {
  const found = new Map<number, number | undefined>();
  const driver = qcrypto.create(
    {
      folder,
      module_id: "QKD-A-0001",
      matching_module_id: "QKD-B-0001",
      role: "alice",
      epoch: "0000000000000000",
      max_block_bytes: 1_048_576,
      notification_wait_s: 0,
    },
    { clock: systemClock, log: silentLog },
  );
  const epochs = await (await KeyFolder.open(folder, 1)).list();
  const connected = Promise.withResolvers<ModuleSession>();
  await new Promise<void>((resolve, reject) => {
    const sink = {
      block: (one: KeyBlock) => {
        found.set(one.ref.number, one.facts.qber);
        if (found.size === epochs.length) resolve();
      },
      damaged: () => {},
      released: () => {},
      telemetry: () => {},
      absent: () => {},
      event: () => {},
    };
    driver.connect(sink, new AbortController().signal).then((session) => {
      session.grant(1_000, 1e9);
      connected.resolve(session);
    }, reject);
  });
  await (await connected.promise).close();
  return found;
}

for (const says of ways) {
  test.serial(
    `killed when a block is handed over, a node has its QBER again (${says})`,
    async (t) => {
      const copies = mkdtempSync(join(tmpdir(), "qkd-kills-"));
      await withStack(
        async (bench) => {
          const kills: { readonly one: KeyBlock; readonly folder: string }[] = [];
          bench.onBlock = (one) => {
            // The disk as it is at this moment; what the pipe had said is gone with the node.
            const folder = join(copies, String(kills.length));
            cpSync(bench.stack.folder, folder, { recursive: true });
            kills.push({ one, folder });
          };
          await bench.connect();
          for (let number = 1; number <= 24; number++) {
            bench.stack.distil(made(number));
            if (number % 3 === 0) await eventually("kills", () => kills.length, { is: number });
          }
          for (const { one, folder } of kills) {
            const found = await afterKill(folder);
            t.is(found.get(one.ref.number), one.facts.qber);
            t.not(one.facts.qber, undefined);
          }
        },
        60,
        says,
      );
      rmSync(copies, { recursive: true });
    },
  );

  test.serial(
    `what was distilled while one end was down has the same QBER at both (${says})`,
    async (t) => {
      const alice = new QcryptoBench(60, says);
      const bob = new QcryptoBench(60, says);
      try {
        await alice.connect();
        const first = await bob.connect();
        const distil = (number: number) => {
          for (const { stack } of [alice, bob]) stack.distil(made(number));
        };
        distil(1);
        await eventually("blocks", () => bob.blocks.length, { is: 1 });
        await first.close();
        for (let number = 2; number <= 9; number++) distil(number);
        await eventually("blocks", () => alice.blocks.length, { is: 9 });
        await bob.connect(bob.newDriver());
        distil(10);
        await eventually("blocks", () => alice.blocks.length, { is: 10 });
        // The first is offered again: it was not released.
        await eventually("blocks", () => bob.blocks.length, { is: 11 });
        t.deepEqual(facts(bob.blocks.slice(1)), facts(alice.blocks));
        t.true(alice.blocks.every(({ facts }) => facts.qber !== undefined));
      } finally {
        await alice.close();
        await bob.close();
      }
    },
  );

  test.serial(
    `a stack that starts anew while a node is down takes its figures with it (${says})`,
    async (t) => {
      await withStack(
        async (bench) => {
          await (await bench.connect()).close();
          bench.stack.distil(made(1));
          bench.stack.restart();
          bench.stack.distil(made(2));
          await bench.connect(bench.newDriver(0.5));
          await eventually("blocks", () => bench.blocks.length, { is: 2 });
          // Whether such a block is supplied is for the gate to say.
          t.deepEqual(facts(bench.blocks), [
            [made(1).epoch, undefined],
            [made(2).epoch, qberOf(2)],
          ]);
        },
        undefined,
        says,
      );
    },
  );
}

test.serial(
  "a file in place of the pipe is read from its beginning when the stack empties it",
  async (t) => {
    await withStack(
      async (bench) => {
        await bench.connect();
        for (const number of [1, 2, 3]) bench.stack.distil(made(number));
        await eventually("blocks", () => bench.blocks.length, { is: 3 });
        bench.stack.say("b8b5c0");
        bench.stack.restart();
        // As long as before, so that the length tells nothing.
        for (const number of [4, 5, 6, 7]) bench.stack.distil(made(number));
        await eventually("blocks", () => bench.blocks.length, { is: 7 });
        t.deepEqual(
          bench.blocks.map(({ facts }) => facts.qber),
          [1, 2, 3, 4, 5, 6, 7].map(qberOf),
        );
      },
      60,
      "file",
    );
  },
);

test.serial("a journal of many days is read to its end, and kept short", async (t) => {
  await withStack(async (bench) => {
    const lines = Array.from(
      { length: 60_000 },
      (_, i) => `${fileName(1_000 + i)} 300 100 0.05 0\n`,
    );
    const journal = join(bench.stack.folder, ".notifications");
    bench.stack.writeFile(made(7));
    writeFileSync(journal, `${lines.join("")}${fileName(made(7).epoch)} 600 200 0.0316 0\n`);
    await bench.connect();
    await eventually("blocks", () => bench.blocks.length, { is: 1 });
    t.is(bench.blocks[0]?.facts.qber, 0.0316);
    t.true(statSync(journal).size < 200);
  });
});

test.serial(
  "a journal that grows is cut down to what is there, and to what came since",
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-journal-"));
    const journal = new Journal(folder);
    for (let at = 0; at < 20_000; at += 1_000) {
      await journal.add(Array.from({ length: 1_000 }, (_, i) => ({ epoch: at + i, qber: 0.02 })));
    }
    const before = journal.length;
    await journal.add([{ epoch: 30_000, qber: 0.03 }]);
    await journal.compact(new Set([7, 19_999]), before);
    t.true(journal.length < 65_536, `${journal.length} bytes`);
    const found = await new Journal(folder).find(new Set([7, 8, 19_999, 30_000]));
    t.deepEqual(
      found.map(({ epoch, qber }) => [epoch, qber]),
      [
        [7, 0.02],
        [19_999, 0.02],
        [30_000, 0.03],
      ],
    );
    rmSync(folder, { recursive: true });
  },
);

test.serial(
  "while nothing can be written, what the stack says counts, is told of, and written later",
  async (t) => {
    await withStack(async (bench) => {
      await bench.connect();
      const path = join(bench.stack.folder, ".notifications");
      rmSync(path);
      mkdirSync(path);
      bench.stack.distil(made(1));
      await eventually("blocks", () => bench.blocks.length, { is: 1 });
      t.is(bench.blocks[0]?.facts.qber, qberOf(1));
      await eventually("the event is raised", () =>
        bench.events.includes("notifications_not_kept warning"),
      );
      rmSync(path, { recursive: true });
      bench.stack.distil(made(2));
      await eventually("the event is cleared", () =>
        bench.events.includes("notifications_not_kept cleared"),
      );
      t.deepEqual(
        [...(await afterKill(bench.stack.folder))],
        [1, 2].map((number) => [made(number).epoch, qberOf(number)]),
      );
    });
  },
);

test.serial(
  "of more blocks than are remembered, each has its QBER when it is its turn",
  async (t) => {
    await withStack(async (bench) => {
      const { folder, pipe } = bench.stack;
      const told = new Told(4);
      const blocks: KeyBlock[] = [];
      const session = new QcryptoSession({
        identity: someIdentity,
        linkEpoch: "0000000000000000",
        folder: await KeyFolder.open(folder, 1_000),
        stock: new Stock({ notificationWait: 60_000, incompleteWait: 60_000 }, told),
        told,
        journal: new Journal(folder),
        gone: await Gone.open(folder, "0000000000000000"),
        sink: {
          block: (one) => blocks.push(one),
          damaged: () => {},
          released: () => {},
          telemetry: () => {},
          absent: () => {},
          event: () => {},
        },
        clock: systemClock,
        log: silentLog,
      });
      await session.listen(pipe);
      for (let number = 1; number <= 12; number++) bench.stack.distil(made(number));
      session.grant(100, 100_000);
      await eventually("blocks", () => blocks.length, { is: 12 });
      t.deepEqual(
        facts(blocks),
        Array.from({ length: 12 }, (_, i) => [made(i + 1).epoch, qberOf(i + 1)]),
      );
      await session.close();
    });
  },
);

for (const says of ways) {
  test.serial(`what the stack has said is read before it is missed (${says})`, async (t) => {
    await withStack(
      async (bench) => {
        const heard: Buffer[] = [];
        const source = await openSource(bench.stack.pipe, async (chunk) => {
          heard.push(Buffer.from(chunk));
        });
        for (let i = 0; i < 50; i++) {
          bench.stack.say(`line ${i}\n`);
          await source.drained();
          t.true(Buffer.concat(heard).toString().endsWith(`line ${i}\n`));
        }
        await source.close();
      },
      60,
      says,
    );
  });
}
