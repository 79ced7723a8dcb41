/** The Raspberry Pi's own boot chain: which slot its firmware starts, through updates, damage and power cuts. */
import test, { type ExecutionContext } from "ava";
import { some } from "../../campaign-scale.ts";
import type { Slot } from "../../rig/boot-bench.ts";
import { PiBench } from "../../rig/pi-bench.ts";

function machine(t: ExecutionContext, once: boolean): PiBench {
  const bench = new PiBench({ once });
  t.teardown(() => bench.close());
  return bench;
}

/** Starts it until a slot that is not in `bad` runs, which is then good. @returns the slots in their order */
function starts(bench: PiBench, bad: readonly Slot[] = [], first?: Slot): string {
  let order = "";
  for (let slot = first ?? bench.start(); ; slot = bench.start()) {
    order += slot;
    if (order.length === 12) return order;
    if (bad.includes(slot)) continue;
    bench.say("set-state", slot, "good");
    return order;
  }
}

test("an update is started once, asked for by the restart; the firmware goes back by itself", (t) => {
  const bench = machine(t, true);
  t.is(starts(bench), "a");
  bench.install("b");
  t.is(bench.say("get-primary"), "b");
  t.is(bench.say("on-trial", "b"), "yes");
  // It panics before its initramfs, or its node is not healthy: the next start is of the slot before.
  t.is(starts(bench, ["b"], bench.restart()), "ba");
  t.is(bench.say("get-state", "b"), "bad");
  t.is(bench.say("get-primary"), "a");

  bench.install("b");
  t.is(starts(bench, [], bench.restart()), "b");
  t.is(bench.say("get-primary"), "b");
  t.is(bench.say("on-trial", "b"), "no");
  t.is(starts(bench), "b");
});

test("an update whose restart never came is started when somebody asks for it again", (t) => {
  const bench = machine(t, true);
  bench.install("b");
  // The power goes: the flag with it.
  t.is(bench.start(), "a");
  bench.say("set-state", "a", "good");
  t.is(bench.say("restart"), "0 tryboot");
  t.is(starts(bench, [], bench.restart()), "b");
});

test("with a kernel that does not pass the flag on, the initramfs counts three tries and goes back", (t) => {
  const bench = machine(t, false);
  bench.install("b");
  t.is(bench.say("restart"), "");
  t.is(starts(bench, ["b"]), "bbba");
  t.is(bench.say("get-state", "b"), "bad");
  bench.install("b");
  t.is(starts(bench), "b");
  t.is(starts(bench), "b");
});

for (const once of [true, false]) {
  test(`a slot that was good for months gives way when it turns bad${once ? "" : ", with any kernel"}`, (t) => {
    const bench = machine(t, once);
    bench.install("b");
    t.is(starts(bench, [], bench.restart()), "b");
    for (let i = 0; i < 3; i++) t.is(starts(bench), "b");
    t.is(starts(bench, ["b"]), "bbbbba");
    t.is(bench.say("get-state", "b"), "bad");
    t.is(starts(bench), "a");
  });
}

test("a boot.img that is damaged is not started, whichever slot it is in", (t) => {
  const bench = machine(t, true);
  bench.install("b");
  t.is(starts(bench, [], bench.restart()), "b");
  bench.signed.delete("b");
  t.is(starts(bench), "a");
  bench.signed.add("b");
  bench.signed.delete("a");
  t.is(starts(bench), "b");
});

test("the power may go at every write of an update, whatever is left of the sector", (t) => {
  const story = (bench: PiBench) => {
    bench.install("b");
    const slot = bench.restart();
    bench.try("set-state", slot, "good");
  };
  for (const once of [true, false]) {
    const whole = new PiBench({ once });
    whole.cutAt(0, 0);
    story(whole);
    const count = whole.writes();
    whole.close();
    t.true(count >= 4, String(count));
    for (let write = 1; write <= count; write++) {
      for (const bytes of some([30, 200])) {
        const bench = machine(t, once);
        bench.cutAt(write, bytes);
        try {
          story(bench);
        } catch {
          // The power went in the middle of it.
        }
        bench.writes();
        const at = `${once} ${write} ${bytes}`;
        const slot = bench.start();
        bench.say("set-state", slot, "good");
        t.is(bench.say("get-state", slot), "good", at);
        t.is(bench.start(), slot, at);
        if (bytes === 200) continue;
        // Whatever was lost, another update goes in.
        const other = slot === "a" ? "b" : "a";
        bench.install(other);
        t.is(starts(bench, [], bench.restart()), other, at);
      }
    }
  }
});
