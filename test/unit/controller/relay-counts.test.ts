/** Counters of relays never fall while the controller runs, whatever its key managers do. */
import test from "ava";
import { telemetry } from "../../../src/controller/manager/payloads.ts";
import { families } from "../../../src/controller/metrics/families.ts";
import type { ControllerStatus } from "../../../src/controller/model/status.ts";
import { pairExtension } from "../../../src/wire/ck/state.ts";
import { Rig } from "./rig.ts";

const facts = { cpuSeconds: 0, residentBytes: 0, heapBytes: 0, viewers: 0 };
const dropped = { dropped_telemetry: 0, dropped_events: 0, waiting_events: 0 };

test("a key manager that begins anew, tells no more of a pair, or is taken back takes nothing from its relays", (t) => {
  const rig = new Rig();
  rig.network([
    ["a", "b"],
    ["b", "d"],
  ]);
  const tell = (km: string, peer: string, relays: number, failed: number) => {
    const counts = { relays, failed, relayed: 10 * relays, pads: 20 * relays };
    const state = { up: true, stock: 0, scheme: "case-2", routing: "controller", consumption: 0 };
    rig.report(km, [], [pairExtension({ peer, ...state, ...counts } as never)]);
  };
  const shown = () => {
    const whole: ControllerStatus = rig.core.status();
    const sampleOf = (name: string) =>
      families(whole, { refused: 0, leftOut: 0, waiting: 0, dropped: 0 }, facts)
        .find((one) => one.name === name)
        ?.samples.find(({ labels }) => labels.pair === "a--d")?.value;
    const { relays, failed_relays: failed } = telemetry(1, whole, dropped, 1, 0);
    t.is(sampleOf("qkd_controller_relays"), relays);
    t.is(sampleOf("qkd_controller_relay_failures"), failed);
    return [relays, failed];
  };
  tell("a", "d", 7, 2);
  tell("d", "a", 3, 0);
  t.deepEqual(shown(), [10, 2]);
  tell("a", "d", 0, 0);
  t.deepEqual(shown(), [10, 2]);
  tell("a", "d", 4, 1);
  t.deepEqual(shown(), [14, 3]);
  // All that it has to tell: the pair is not among it.
  rig.report("d", [], [], true);
  t.deepEqual(shown(), [14, 3]);
  tell("d", "a", 5, 0);
  t.deepEqual(shown(), [16, 3]);
  rig.core.revoke("km", "a", "an operator");
  t.deepEqual(shown(), [16, 3]);
});
