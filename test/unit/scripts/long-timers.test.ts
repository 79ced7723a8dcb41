/** Options that become timers: one that is too long would go off at once, and is refused with its limit. */
import test from "ava";
import { readOptions as ofDemo } from "../../../scripts/demo/options.ts";
import { readOptions as ofManager } from "../../../scripts/manager.d/options.ts";
import { parseOptions as ofEmulator } from "../../emulator/options.ts";

const manager = (wait: string) =>
  ofManager(["alarms", "--url", "mqtt://127.0.0.1:1", "--wait", wait]);

test("npm start takes numbers within limits that it names", (t) => {
  for (const [name, most] of [
    ["block-interval-ms", 86_400_000],
    ["block-bits", 8_388_608],
    ["key-bits", 376_000],
    ["baud", 1_000_000_000],
  ] as const) {
    t.notThrows(() => ofDemo([`--${name}`, String(most)]));
    const message = new RegExp(`^--${name}: expected a whole number, \\d+ to ${most}$`);
    for (const wrong of [String(most + 8), "", " ", "1e99", "0x", "-8"]) {
      t.throws(() => ofDemo([`--${name}=${wrong}`]), { message }, wrong);
    }
  }
  t.throws(() => ofDemo(["--keys", ""]), { message: /--keys: .* 1 or more/ });
});

test("the emulator and the manager take no timer that is longer than a day", (t) => {
  t.notThrows(() => ofEmulator(["x", "--block-interval-ms", "86400000"]));
  t.throws(() => ofEmulator(["x", "--block-interval-ms", "86400001"]), { message: /86400000/ });
  t.notThrows(() => manager("86400"));
  t.throws(() => manager("86401"), { message: /--wait must be a whole number, 86400 at most/ });
});
