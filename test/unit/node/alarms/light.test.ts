/** Light, no light, and somebody who listens: by the figures of the emulator's physics. */
import test from "ava";
import { Light } from "../../../../src/node/alarms/light.ts";
import { type PresetName, presets } from "../../../emulator/physics/bb84.ts";
import { type Conditions, PhysicalLink } from "../../../emulator/physics/link.ts";

/** What is seen of a link that was good for a minute (or not) and then changed. */
function seen(
  preset: PresetName,
  receiver: boolean,
  change: Partial<Conditions>,
  { km = 20, before = true } = {},
): boolean | undefined {
  const link = new PhysicalLink(presets[preset], { km }, 1);
  const light = new Light();
  const look = () => {
    link.advance(1);
    return light.see({ values: link.telemetry(receiver) });
  };
  if (before) for (let i = 0; i < 60; i++) look();
  for (const [name, value] of Object.entries(change)) link.change(name as "loss", value);
  return look();
}

for (const preset of ["gys", "snspd"] as const) {
  for (const receiver of [true, false]) {
    const who = `${preset}, ${receiver ? "receiver" : "transmitter"}`;
    test(`${who}: a cut fibre has no light, also after a restart`, (t) => {
      t.false(seen(preset, receiver, { loss: 100 }));
      t.false(seen(preset, receiver, { loss: 100 }, { before: false }));
    });

    test(`${who}: somebody who takes all, or a part, does not pass for a cut fibre`, (t) => {
      for (const eve of [0.1, 0.3, 0.5, 1]) {
        for (const before of [true, false]) {
          t.not(seen(preset, receiver, { eve }, { before }), false, `${eve}`);
          t.not(seen(preset, receiver, { eve, loss: 10 }, { before }), false, `${eve}, dimmed`);
        }
      }
    });

    test(`${who}: errors by alignment are not darkness`, (t) => {
      for (const misalignment of [0.1, 0.2, 0.45]) {
        t.not(seen(preset, receiver, { misalignment }), false, `${misalignment}`);
        t.not(seen(preset, receiver, { misalignment }, { before: false }), false);
      }
    });

    test(`${who}: a long link with little light is lit`, (t) => {
      t.true(seen(preset, receiver, {}, { km: 80 }));
      t.true(seen(preset, receiver, { loss: 10 }, { km: 50 }));
    });
  }
}

test("dead detectors see no light, whatever the fibre does", (t) => {
  t.false(seen("gys", true, { efficiency: 0 }));
  t.false(seen("gys", false, { efficiency: 0 }));
});

test("a module that tells little: half of the bits wrong is no light, nothing at all is not known", (t) => {
  const light = new Light();
  t.is(light.see({ values: {} }), undefined);
  t.is(light.see({ values: { qber: 0.03 } }), undefined);
  t.false(light.see({ values: { qber: 0.5 } }));
  t.false(light.see({ values: { sifted_rate: 0 } }));
  t.is(light.see({ values: { qber: 0.25, secret_key_rate: 0 } }), undefined, "perhaps a tap");
  t.true(light.see({ values: { secret_key_rate: 5 } }));
});
