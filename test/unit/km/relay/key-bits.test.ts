import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { createLog } from "../../../../src/base/log.ts";
import { KeyBits } from "../../../../src/km/io/key-bits.ts";
import {
  HealthTests,
  mostAlike,
  mostRepeats,
  windowBytes,
} from "../../../../src/km/relay/health.ts";
import type { RelayScheme } from "../../../../src/wire/kx/relay-messages.ts";
import { random } from "../../../random.ts";
import { RelayRow } from "../../../rig/relay-row.ts";

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

/** SP 800-90B §4.4.1 and §4.4.2, a byte at a time. */
function byDefinition(bytes: Uint8Array): "repeats" | "bias" | undefined {
  let repeats = 0;
  let alike = 0;
  for (const [i, byte] of bytes.entries()) {
    const place = i % windowBytes;
    repeats = byte === bytes[i - 1] ? repeats + 1 : 1;
    alike = place === 0 ? 1 : alike + Number(byte === bytes[i - place]);
    if (repeats >= mostRepeats) return "repeats";
    if (alike >= mostAlike) return "bias";
  }
  return undefined;
}

test("four bytes at a time find what one at a time does, however it is drawn", (t) => {
  const next = random(7);
  const found = new Map<string | undefined, number>();
  for (let n = 0; n < 3_000; n++) {
    const length = Math.floor(next() * 3_000);
    const room = new Uint8Array(length + 4);
    const bytes = room.subarray(n % 5 === 0 ? Math.floor(next() * 4) : 0).subarray(0, length);
    const values = 2 + Math.floor(next() * 254);
    // Runs of lengths about the limit, at any place; and bytes of few values, or one that is frequent.
    const often = n % 3 === 0 ? 0.15 + next() * 0.1 : 0;
    for (let i = 0; i < length; i++) bytes[i] = next() < often ? 7 : Math.floor(next() * values);
    if (n % 2 === 0) {
      const run = mostRepeats - 2 + Math.floor(next() * 4);
      const near = next() < 0.5 ? windowBytes * (1 + Math.floor(next() * 4)) : next() * length;
      const at = Math.max(0, Math.floor(near - next() * 12));
      bytes.fill(3, at, at + run);
    }
    const tests = new HealthTests();
    let failure: ReturnType<typeof byDefinition>;
    for (let at = 0; at < length && failure === undefined; ) {
      const part = n % 4 === 0 ? Math.ceil(next() * 1_500) : length;
      failure = tests.check(bytes.subarray(at, at + part));
      at += part;
    }
    const wanted = byDefinition(bytes);
    t.is(failure, wanted, `draw ${n}`);
    found.set(wanted, (found.get(wanted) ?? 0) + 1);
  }
  for (const what of ["repeats", "bias", undefined] as const) t.true((found.get(what) ?? 0) > 100);
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

test("without bits no relay begins whose key they are: the log names these, and all others go on", async (t) => {
  const { bits, lines } = open(t, "/nowhere/at/all");
  await draw(bits, 64);
  const ends: Record<string, string> = {};
  for (const scheme of ["case-1", "case-2", "destination", "centralized", "aes"] as const) {
    const order = {
      ...{ via: ["b", "c"], scheme, length: 64 },
      ...(scheme === "centralized" && { collector: "z" }),
    } as const;
    const kms = ["a", "b", "c", "d", "z"];
    const own = new RelayRow(kms, { withinMs: 1_000, hasNoBits: (me) => me === "a" });
    ends[scheme] = own.relay("a", "d", order).end?.failure ?? "done";
    const passed = new RelayRow(kms, { withinMs: 1_000, hasNoBits: (me) => me !== "a" });
    t.is(passed.relay("a", "d", order).end, undefined, `${scheme} of another`);
  }
  const refused = Object.keys(ends).filter((scheme) => ends[scheme] === "refused");
  t.deepEqual(refused, ["case-2", "aes"] satisfies RelayScheme[]);
  t.is(Object.values(ends).filter((end) => end === "done").length, 3);
  t.regex(lines[0] ?? "", new RegExp(`no relay by ${refused.join(" or ")} begins here`));
});
