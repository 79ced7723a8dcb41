import test from "ava";
import { ManualClock } from "../../clock.ts";
import { FaultyLine } from "../../emulator/faults/line.ts";
import { Noise } from "../../emulator/faults/noise.ts";
import { random } from "../../random.ts";

function line(clock = new ManualClock()) {
  const sent: Buffer[] = [];
  const delivered: Buffer[] = [];
  const faulty = new FaultyLine(
    {
      send: (bytes) => sent.push(bytes),
      backlog: () => 0,
      deliver: (chunk) => delivered.push(chunk),
    },
    clock,
    random(1),
  );
  return { clock, sent, delivered, faulty };
}

test("a line that stalls keeps what is on the way, in order, and goes on", async (t) => {
  const { clock, sent, delivered, faulty } = line();
  faulty.stall(1_000);
  faulty.transmit(Buffer.from("ab"));
  faulty.transmit(Buffer.from("c"));
  faulty.receive(Buffer.from("xy"));
  t.is(faulty.backlog, 3, "the module sees that nothing leaves");
  await clock.advance(999);
  t.deepEqual([sent.length, delivered.length], [0, 0]);
  await clock.advance(1);
  t.is(Buffer.concat(sent).toString(), "abc");
  t.is(Buffer.concat(delivered).toString(), "xy");
  t.is(faulty.backlog, 0);
  faulty.transmit(Buffer.from("d"));
  t.is(sent.length, 3);
});

test("a cable that is pulled takes with it what was on the way", async (t) => {
  const { clock, sent, faulty } = line();
  faulty.stall(1_000);
  faulty.transmit(Buffer.from("lost"));
  faulty.clear();
  await clock.advance(2_000);
  t.deepEqual(sent, []);
  t.is(clock.timers, 0);
});

test("faults come at the rate asked for, each of its kind, the same with the same seed", (t) => {
  const bytes = Buffer.alloc(1_000_000, 0x55);
  const faults = (seed: number) => {
    const noise = new Noise({ bitErrors: 1e-4 }, random(seed));
    const noisy = noise.pass(bytes);
    t.is(noisy.length, bytes.length);
    let different = 0;
    for (let i = 0; i < bytes.length; i++) if (noisy[i] !== bytes[i]) different++;
    t.is(different, noise.faults);
    return { count: noise.faults, noisy };
  };
  const { count, noisy } = faults(1);
  t.true(count > 700 && count < 900, `${count} faults in 8 million bits`);
  t.true(noisy.equals(faults(1).noisy));
  t.false(noisy.equals(faults(2).noisy));
  const dropped = new Noise({ drops: 1e-3 }, random(1)).pass(bytes);
  const more = new Noise({ inserts: 1e-3, duplicates: 1e-3 }, random(1)).pass(bytes);
  t.true(dropped.length < bytes.length - 900 && dropped.length > bytes.length - 1_100);
  t.true(more.length > bytes.length + 1_850 && more.length < bytes.length + 2_150);
});
