/** A disk that was put back from a copy: what was carried out after the copy is not carried out again. */
import test from "ava";
import { CommandBench } from "../../../rig/command-bench.ts";

const hour = 3_600_000;
const day = 24 * hour;
const other = "ffeeddccbbaa9988";

/** A node whose second start carried out two commands, and which began again on the disk of before that. */
async function putBack(draft = {}) {
  const bench = new CommandBench();
  const copy = structuredClone(bench.saved);
  bench.restart(2);
  const start = bench.sign({ lifeMs: day, ...draft });
  const grave = bench.sign({
    ...{ command: "zeroize", args: { module: "alice" }, boot: 2, lifeMs: day },
    ...draft,
  });
  const replies = [await bench.submit(start), await bench.submit(grave, "zeroize")];
  await bench.clock.advance(6_000);
  bench.saved = copy;
  bench.executed.length = 0;
  bench.restart(2, other);
  return { bench, start, grave, replies };
}

test("a command of before the start is not carried out, also if nothing is known of it any more", async (t) => {
  const { bench, start, grave, replies } = await putBack();
  for (const reply of replies) t.like(reply, { status: "done" });
  t.like(await bench.submit(start), { status: "refused", reason: "issued_before_start" });
  t.like(await bench.submit(grave, "zeroize"), { reason: "issued_before_start" });
  await bench.clock.advance(12 * hour);
  t.like(await bench.submit(start), { reason: "issued_before_start" });
  t.deepEqual(bench.executed, []);
  t.deepEqual(bench.saved, {}, "no counter is used up");
  t.like(await bench.submit(bench.sign()), { status: "done" });
});

test("who asks again after a restart is told what became of it, as ever", async (t) => {
  const bench = new CommandBench();
  const command = bench.sign();
  await bench.submit(command);
  await bench.clock.advance(10_000);
  bench.restart(2, other);
  t.like(await bench.submit(command), { reason: "already_executed", earlier: "done" });
});

test("a manager's clock may be some seconds behind, and have whole seconds only", async (t) => {
  const bench = new CommandBench();
  bench.restart(2, other);
  const began = bench.clock.wall();
  t.like(await bench.submit(bench.sign({ issued: began - 5_000 })), { status: "done" });
  const older = bench.sign({ issued: began - 5_001 });
  t.like(await bench.submit(older), { reason: "issued_before_start" });
});

test("a clock that is put right after the start is right about the start as well", async (t) => {
  const bench = new CommandBench();
  bench.clock.offset -= 30 * day;
  bench.restart(2, other);
  await bench.clock.advance(5_000);
  bench.clock.offset += 30 * day;
  const before = bench.sign({ issued: bench.clock.wall() - 11_000 });
  t.like(await bench.submit(before), { reason: "issued_before_start" });
  t.like(await bench.submit(bench.sign()), { status: "done" });
});

test("a command that names its start is for no other, whatever the clock says", async (t) => {
  const { bench, start, grave } = await putBack({ incarnation: "00112233aabbccdd" });
  bench.clock.offset -= 5_500;
  bench.restart(2, other);
  t.like(await bench.submit(start), { status: "refused", reason: "wrong_incarnation" });
  t.like(await bench.submit(grave, "zeroize"), { reason: "wrong_incarnation" });
  t.deepEqual(bench.executed, []);
  t.like(await bench.submit(bench.sign({ incarnation: other })), { status: "done" });
  t.like(await bench.submit(bench.sign({ incarnation: "" })), { reason: "malformed" });
});
