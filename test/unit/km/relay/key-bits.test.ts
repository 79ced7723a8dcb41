import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { createLog } from "../../../../src/base/log.ts";
import { KeyBits } from "../../../../src/km/io/key-bits.ts";
import { HealthTests, mostAlike, mostRepeats } from "../../../../src/km/relay/health.ts";

const draw = (bits: KeyBits, length: number) =>
  new Promise<Buffer | undefined>((resolve) => bits.draw(length, resolve));

function open(t: ExecutionContext, file: string | undefined, system?: (n: number) => Buffer) {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "info");
  const bits = new KeyBits({ file, clock: systemClock, log, ...(system && { system }) });
  t.teardown(() => bits.close());
  return { bits, lines };
}

async function fileOf(t: ExecutionContext, bytes: Uint8Array): Promise<string> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-bits-`);
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(`${folder}/bits`, bytes);
  return `${folder}/bits`;
}

test("good bytes pass, stuck and biased ones do not", (t) => {
  t.is(new HealthTests().check(randomBytes(200_000)), undefined);
  t.is(new HealthTests().check(Buffer.alloc(mostRepeats - 1, 7)), undefined);
  t.is(new HealthTests().check(Buffer.alloc(mostRepeats, 7)), "repeats");
  // Every fourth byte is the same: some two bits of entropy less than is taken for granted.
  const biased = randomBytes(4_096).map((byte, i) => (i % 4 === 0 ? 7 : byte));
  t.is(new HealthTests().check(biased), "bias");
  t.true(mostRepeats > 4 && mostAlike > 64 && mostAlike < 128);
});

test("a run that goes over two draws is a run", (t) => {
  const tests = new HealthTests();
  t.is(tests.check(Buffer.alloc(mostRepeats - 1, 7)), undefined);
  t.is(tests.check(Buffer.alloc(1, 7)), "repeats");
});

test("a generator's bits are XORed to the system's", async (t) => {
  const own = randomBytes(64);
  const { bits } = open(t, await fileOf(t, own), (length) => Buffer.from(own.subarray(0, length)));
  t.deepEqual(await draw(bits, 64), Buffer.alloc(64));
});

test("a generator that is stuck, ends, or is not there gives no bit, nor does the next draw", async (t) => {
  for (const [file, cause] of [
    [await fileOf(t, Buffer.alloc(1_000, 5)), /health tests.*repeats/],
    [await fileOf(t, randomBytes(10)), /no more bits/],
    ["/nowhere/at/all", /ENOENT/],
  ] as const) {
    const { bits, lines } = open(t, file);
    t.is(await draw(bits, 64), undefined);
    t.is(await draw(bits, 64), undefined);
    t.true(bits.failed);
    t.is(lines.length, 1);
    t.regex(lines[0] ?? "", cause);
  }
});

test("the system's bits are tested as well", async (t) => {
  const { bits } = open(t, undefined, (length) => Buffer.alloc(length, 1));
  t.is(await draw(bits, 64), undefined);
  t.true(bits.failed);
});
