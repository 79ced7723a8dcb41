import { randomBytes } from "node:crypto";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { Link } from "../../../../drivers/link/link.ts";
import { pcieLink } from "../../../../drivers/link/pcie.ts";
import { register, windowLength } from "../../../../drivers/link/registers.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { hold } from "../../../../src/host/disk/hold.ts";
import { makeFifo, openFifo, waitingIn } from "../../../emulator/fifo.ts";
import { EmulatedPcie } from "../../../emulator/pcie.ts";
import { eventually } from "../../../eventually.ts";

const never = new AbortController().signal;
const descriptors = () => readdirSync("/proc/self/fd").length;
// Timers of the clock keep no process alive, and cards are polled by them.
const alive = setInterval(() => {}, 60_000);
test.after.always(() => clearInterval(alive));

class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "qkd-pcie-"));
  readonly path = join(this.folder, "xdma0");
  readonly links: Link[] = [];
  readonly atNode: Buffer[] = [];
  readonly atCard: Buffer[] = [];
  readonly card = new EmulatedPcie(this.path, "QKD-A-0001", systemClock, {
    bytes: (chunk) => this.atCard.push(Buffer.from(chunk)),
    drained: () => {},
  });

  factory = pcieLink({ path: this.path, channel: 0 }, systemClock);

  async open(signal = never): Promise<Link> {
    const link = await this.factory.open((chunk) => this.atNode.push(Buffer.from(chunk)), signal);
    this.links.push(link);
    return link;
  }

  async close(): Promise<void> {
    await Promise.all(this.links.map((link) => link.close()));
    this.card.unplug();
    rmSync(this.folder, { recursive: true });
  }
}

async function withCard(body: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = new Bench();
  bench.card.plug();
  try {
    await body(bench);
  } finally {
    await bench.close();
  }
}

const length = (chunks: readonly Buffer[]) => chunks.reduce((sum, { length }) => sum + length, 0);

test.serial("bytes pass both ways at once, whole and in order", async (t) => {
  await withCard(async (bench) => {
    const link = await bench.open();
    const down = randomBytes(3_000_000);
    const up = randomBytes(700_000);
    for (let at = 0; at < down.length; at += 50_000) {
      bench.card.send(Buffer.from(down.subarray(at, at + 50_000)));
    }
    for (let at = 0; at < up.length; at += 9_999)
      link.write(Buffer.from(up.subarray(at, at + 9_999)));
    await eventually("bytes at the node", () => length(bench.atNode), { is: down.length });
    await eventually("bytes at the card", () => length(bench.atCard), { is: up.length });
    t.true(Buffer.concat(bench.atNode).equals(down));
    t.true(Buffer.concat(bench.atCard).equals(up));
    await eventually("bytes that wait", () => link.backlog, { is: 0 });
  });
});

test.serial("a card that raises no interrupts is looked at often enough", async (t) => {
  await withCard(async (bench) => {
    bench.card.show({ interrupts: false });
    const link = await bench.open();
    bench.card.send(Buffer.from("hello"));
    link.write(Buffer.from("welcome"));
    await eventually(
      "bytes at both ends",
      () => length(bench.atNode) === 5 && length(bench.atCard) === 7,
    );
    t.is(Buffer.concat(bench.atNode).toString(), "hello");
  });
});

test.serial(
  "a card whose interrupts can't be waited for, or end, is looked at instead",
  async (t) => {
    await withCard(async (bench) => {
      // No device at all, a file that can't be polled, and one that ends at once.
      const events = `${bench.path}_events_0`;
      rmSync(events);
      for (const make of [() => {}, () => writeFileSync(events, "")]) {
        make();
        await bench.open();
        bench.card.send(Buffer.from("x"));
        await eventually("bytes at the node", () => length(bench.atNode), { is: 1 });
        bench.atNode.length = 0;
      }
      rmSync(events);
      makeFifo(events);
      const writer = openFifo(events, 4_096);
      await bench.open();
      closeSync(writer);
      bench.card.send(Buffer.from("y"));
      await eventually("bytes at the node", () => length(bench.atNode), { is: 1 });
      t.is(Buffer.concat(bench.atNode).toString(), "y");
    });
  },
);

test.serial("twelve silent cards do not hold up file access", async (t) => {
  const benches = Array.from({ length: 12 }, () => new Bench());
  try {
    for (const bench of benches) {
      bench.card.plug();
      await bench.open();
    }
    const file = join((benches[0] as Bench).folder, "file");
    // More operations than there are threads, several times over.
    for (let round = 0; round < 5; round++) {
      const files = Array.from({ length: 16 }, (_, i) => `${file}${i}`);
      await Promise.all(files.map((name) => writeFile(name, "x")));
      const texts = await Promise.all(files.map((name) => readFile(name, "utf8")));
      t.true(texts.every((text) => text === "x"));
    }
    for (const bench of benches) bench.card.send(Buffer.from("awake"));
    for (const bench of benches)
      await eventually("bytes at the node", () => length(bench.atNode), { is: 5 });
  } finally {
    for (const bench of benches) await bench.close();
  }
});

test.serial("what an earlier session left in the streams is not seen by the next", async (t) => {
  await withCard(async (bench) => {
    const first = await bench.open();
    bench.card.send(randomBytes(900_000));
    await first.close();
    bench.atNode.length = 0;
    await bench.open();
    bench.card.send(Buffer.from("new"));
    await eventually("bytes at the node", () => length(bench.atNode), { atLeast: 3 });
    t.is(Buffer.concat(bench.atNode).toString(), "new");
  });
});

test.serial("a card that is reset, taken by another or pulled out ends the link", async (t) => {
  await withCard(async (bench) => {
    const first = await bench.open();
    bench.card.reset();
    t.like(await first.ended, {
      code: "link.closed",
      message: "card was reset, or opened by another",
    });
    const second = await bench.open();
    const third = await bench.open();
    t.like(await second.ended, { code: "link.closed" });
    bench.card.unplug();
    t.like(await third.ended, { code: "link.closed", message: "card is gone" });
    await Promise.all([first, second, third].map((link) => link.close()));
    await t.throwsAsync(bench.open(), { instanceOf: Fault, message: /no such device/ });
  });
});

test.serial(
  "a card that says it has sent more than it has is written to all the same",
  async (t) => {
    await withCard(async (bench) => {
      // Its stream is short, and is emptied by this test.
      const stream = `${bench.path}_h2c_0`;
      makeFifo(stream);
      const card = openFifo(stream, 4_096);
      const link = await bench.open();
      const file = openSync(`${bench.path}_user`, "r+");
      const word = Buffer.alloc(4);
      word.writeUInt32LE(1_000_000);
      writeSync(file, word, 0, 4, register.toNode);
      closeSync(file);
      link.write(randomBytes(10_000));
      await eventually("bytes that wait", () => link.backlog, { is: 10_000 - 4_096 });
      const got = Buffer.alloc(10_000);
      let at = 0;
      await eventually("bytes at the card", () => {
        if (waitingIn(card) > 0) at += readSync(card, got, at, got.length - at, null);
        return at === got.length;
      });
      closeSync(card);
      await eventually("bytes that wait", () => link.backlog, { is: 0 });
      t.is(at, got.length);
    });
  },
);

test.serial("a card that another node has is not opened anew by this one", async (t) => {
  await withCard(async (bench) => {
    const options = { path: bench.path, channel: 0 };
    const mine = pcieLink(options, systemClock, hold);
    const others = pcieLink(options, systemClock, hold);
    const first = await others.open(() => {}, never);
    bench.links.push(first);
    t.like(await t.throwsAsync(mine.open(() => {}, never)), {
      code: "link.open",
      message: "cannot open PCIe device: another process has it",
      facts: { source: `${bench.path}_c2h_0` },
    });
    // It was not disturbed: its own reset is what ends it, and lets the next one in.
    bench.card.reset();
    t.like(await first.ended, { code: "link.closed" });
    await first.close();
    const second = await mine.open(() => {}, never);
    bench.links.push(second);
    // A link of this node that is still being closed does not keep its next one out.
    bench.links.push(await mine.open(() => {}, never));
    await second.close();
    await t.throwsAsync(
      others.open(() => {}, never),
      { message: /another process/ },
    );
  });
});

test.serial("a window that is not that of a QKD module is refused in words", async (t) => {
  await withCard(async (bench) => {
    const before = descriptors();
    const refused = async (message: RegExp) => {
      const fault = await t.throwsAsync(bench.open(), { instanceOf: Fault, message });
      t.is((fault as Fault).code, "link.open");
      t.is(descriptors(), before);
    };
    const poke = (at: number, value: number) => {
      const file = openSync(`${bench.path}_user`, "r+");
      const word = Buffer.alloc(4);
      word.writeUInt32LE(value);
      writeSync(file, word, 0, 4, at);
      closeSync(file);
    };
    bench.card.show({ ready: false, fault: true });
    await refused(/card is not ready/);
    poke(register.version, 0x0002_0000);
    await refused(/another version/);
    poke(register.magic, 0x1234_5678);
    await refused(/not that of a QKD module/);
    poke(register.magic, 0xffff_ffff);
    await refused(/no card answers/);
    truncateSync(`${bench.path}_user`, windowLength / 2);
    await refused(/no card answers/);
  });
});

test.serial("opening can be called off, and a card that never answers is given up", async (t) => {
  await withCard(async (bench) => {
    const before = descriptors();
    await t.throwsAsync(bench.open(AbortSignal.abort()), { instanceOf: Fault });
    // A window without a card behind it: nobody answers the request.
    const copy = new Bench();
    try {
      await writeFile(`${copy.path}_user`, await readFile(`${bench.path}_user`));
      await t.throwsAsync(copy.open(), { instanceOf: Fault, message: /does not answer a request/ });
    } finally {
      await copy.close();
    }
    t.is(descriptors(), before);
  });
});

test.serial("the card tells of itself without being opened", async (t) => {
  await withCard(async (bench) => {
    const link = await bench.open();
    bench.card.show({ temperature: -12.25, overTemperature: true, moduleId: "QKD\u0007-B" });
    t.deepEqual(bench.factory.inspect?.(), {
      card: "QKD?-B, register map 1.1",
      "card status": "ready, over temperature",
      "card temperature": "-12.25 °C",
    });
    let over = false;
    void link.ended.then(() => {
      over = true;
    });
    bench.card.send(Buffer.from("still here"));
    await eventually("bytes at the node", () => length(bench.atNode), { is: 10 });
    t.false(over);
  });
});
