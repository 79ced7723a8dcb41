import test from "ava";
import { binaryEntropy, distil, presets } from "../../emulator/physics/bb84.ts";
import { PhysicalLink } from "../../emulator/physics/link.ts";
import { binomial } from "../../emulator/physics/noise.ts";
import { random } from "../../random.ts";

const near = (value: number, expected: number, part: number) =>
  Math.abs(value - expected) <= Math.abs(expected) * part;

test("the key rate of the GYS experiment vanishes at 142 km, as published", (t) => {
  const rate = (km: number) => distil(presets.gys, km).secretKeyRate;
  let last = 0;
  for (let km = 0; km < 200; km += 0.05) if (rate(km) > 0) last = km;
  t.true(last > 141 && last < 143, `${last} km`);
  for (let km = 0; km < last - 1; km++) t.true(rate(km) > rate(km + 1), "falls with distance");
});

test("gain and error are those of the published formulas, worked out by hand", (t) => {
  // At 50 km: η = 10^(−1.05)·0.045 = 0.00401063; 1 − e^(−0.48·η) = 0.00192325.
  const at50 = distil(presets.gys, 50);
  t.true(near(at50.rawRate, 2e6 * (1.7e-6 + 0.00192325), 1e-4));
  // Eµ = (0.5·1.7e-6 + 0.033·0.00192325) / 0.00192495 = 0.0334125.
  t.true(near(at50.qber, 0.0334124, 1e-4));
  // Q1 = (1.7e-6 + 0.00401063)·0.48·e^(−0.48) = 0.00119172; e1 = (8.5e-7 + 0.033·0.00401063)/0.00401233.
  // R = ½·(0.00119197·(1 − H2(0.0331979)) − 0.00192495·1.22·H2(0.0334125)) = 2.226e-4.
  t.true(near(at50.secretKeyRate / 2e6, 2.226e-4, 1e-3), `${at50.secretKeyRate / 2e6}`);
  t.is(binaryEntropy(0.5), 1);
  t.is(binaryEntropy(0), 0);
});

test("an eavesdropper on a fraction of the pulses adds a quarter of it to the QBER", (t) => {
  const quiet = distil(presets.gys, 20);
  for (const fraction of [0.1, 0.2, 0.5, 1]) {
    const tapped = distil(presets.gys, 20, 0, fraction);
    t.true(near(tapped.qber, quiet.qber + fraction / 4, 1e-9));
    t.is(tapped.rawRate, quiet.rawRate, "she resends as many as she takes");
    t.true(tapped.secretKeyRate < quiet.secretKeyRate);
  }
  t.is(distil(presets.gys, 20, 0, 0.5).secretKeyRate, 0);
});

test("loss costs key, whatever it comes from", (t) => {
  const { alpha } = presets.gys;
  const fibre = distil(presets.gys, 30);
  t.true(near(distil(presets.gys, 0, 30 * alpha).secretKeyRate, fibre.secretKeyRate, 1e-9));
  const worse = { ...presets.gys, bobEfficiency: 0.0225 };
  t.true(near(distil(worse, 30).siftedRate, fibre.siftedRate / 2, 0.01));
  t.true(distil({ ...presets.gys, darkCounts: 1e-4 }, 100).secretKeyRate === 0);
  t.true(
    near(
      distil({ ...presets.gys, pulseRate: 4e6 }, 30).secretKeyRate,
      2 * fibre.secretKeyRate,
      1e-9,
    ),
  );
});

test("what a link measures scatters around what it should, and the same seed scatters alike", (t) => {
  const run = (seed: number) => {
    const link = new PhysicalLink(presets.gys, { km: 20 }, seed, false);
    return Array.from({ length: 400 }, () => link.advance(1));
  };
  const blocks = run(1);
  t.deepEqual(run(1), blocks);
  t.notDeepEqual(run(2), blocks);
  const { qber, secretKeyRate, siftedRate } = distil(presets.gys, 20);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  t.true(near(mean(blocks.map((block) => block.qber ?? 0)), qber, 0.01));
  t.true(near(mean(blocks.map((block) => block.bits)), secretKeyRate, 0.01));
  t.true(near(mean(blocks.map((block) => block.siftedBits)), siftedRate, 0.01));
  t.true(new Set(blocks.map((block) => block.qber)).size > 300, "it does scatter");
});

test("temperature and alignment drift by themselves over a day, within reason", (t) => {
  const link = new PhysicalLink(presets.gys, { km: 20 }, 3);
  const rates: number[] = [];
  const temperatures: number[] = [];
  for (let minute = 0; minute < 1_440; minute++) {
    link.advance(60);
    rates.push(link.now.secretKeyRate);
    temperatures.push(link.telemetry(true).module_temperature as number);
  }
  const spread = (values: number[]) => Math.max(...values) - Math.min(...values);
  t.true(spread(temperatures) > 4 && spread(temperatures) < 12);
  t.true(Math.min(...rates) > 0.8 * Math.max(...rates));
  t.true(spread(rates) > 0);
});

test("a condition may change at once or over a time", (t) => {
  const link = new PhysicalLink(presets.gys, { km: 20 }, 4, false);
  link.change("efficiency", 0.5, 100);
  for (let second = 1; second <= 100; second++) {
    link.advance(1);
    t.true(near(link.condition("efficiency"), 1 - 0.005 * second, 1e-9));
  }
  link.advance(50);
  t.is(link.condition("efficiency"), 0.5);
  link.change("loss", 100);
  t.deepEqual(link.advance(10), { bits: 0, siftedBits: 0, qber: undefined });
});

test("a transmitter reports no photons, a receiver no laser", (t) => {
  const link = new PhysicalLink(presets.gys, { km: 20 }, 5);
  const alice = Object.keys(link.telemetry(false));
  const bob = Object.keys(link.telemetry(true));
  t.false(alice.includes("detector_counts") || alice.includes("raw_rate"));
  t.false(bob.includes("laser_power") || bob.includes("laser_bias"));
});

test("counts of few and of many events have the mean they should", (t) => {
  const draw = random(6);
  for (const [n, p] of [
    [20, 0.3],
    [1_000_000, 0.03],
  ] as const) {
    let sum = 0;
    for (let i = 0; i < 2_000; i++) sum += binomial(n, p, draw);
    t.true(near(sum / 2_000, n * p, 0.03));
  }
});
