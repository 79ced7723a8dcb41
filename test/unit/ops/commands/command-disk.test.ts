/** A command that could not be recorded has not begun: it may come again, and is carried out at most once. */
import test from "ava";
import { CommandBench } from "../../../rig/command-bench.ts";

test("what could not be recorded is carried out when it comes again and the disk is there", async (t) => {
  const bench = new CommandBench();
  const command = bench.sign({ id: "c1" });
  bench.diskFull = true;
  for (let n = 0; n < 3; n++) {
    t.like(await bench.submit(command), { reason: "state_unavailable", id: "c1" });
  }
  bench.diskFull = false;
  t.like(await bench.submit(command), { status: "done", id: "c1" });
  t.like(await bench.submit(command), { reason: "already_executed", earlier: "done" });
  t.is(bench.executed.length, 1);
  t.deepEqual(bench.saved.noc, { counter: 1, recent: [{ id: "c1", outcome: "done" }] });
});

test("a command that could not be recorded does not read as interrupted after a restart", async (t) => {
  const bench = new CommandBench();
  const first = bench.sign({ id: "c1" });
  t.like(await bench.submit(first), { status: "done" });
  const second = bench.sign({ id: "c2" });
  bench.diskFull = true;
  await bench.submit(second);
  bench.diskFull = false;
  // An alarm's write takes along what was not written.
  bench.saved = bench.unsaved;
  bench.restart(2);
  t.like(await bench.submit(first), { reason: "already_executed", earlier: "done" });
  t.like(await bench.submit(second), { status: "done" });
});

test("several at a time: all that failed may come again, in the order of their counters", async (t) => {
  const bench = new CommandBench();
  const [one, two, three] = [bench.sign(), bench.sign(), bench.sign()];
  bench.diskFull = true;
  for (const command of [one, two]) void bench.submit(command);
  await bench.submit(three);
  t.is(bench.replies.filter(({ reason }) => reason === "state_unavailable").length, 3);
  bench.diskFull = false;
  t.like(await bench.submit(one), { status: "done" });
  t.like(await bench.submit(three), { status: "done" });
  t.like(await bench.submit(two), { reason: "out_of_order" }, "a later one was carried out");
  t.is(bench.executed.length, 2);
});

test("a command that waits behind one counts as begun, for what comes meanwhile", async (t) => {
  const bench = new CommandBench();
  const finished = Promise.withResolvers<void>();
  bench.answer = () => finished.promise;
  const [early, first, second] = [bench.sign(), bench.sign(), bench.sign()];
  void bench.submit(first);
  void bench.submit(second);
  void bench.submit(second);
  void bench.submit(early);
  t.like(bench.replies, [
    { reason: "already_executed", earlier: "in_progress" },
    { reason: "out_of_order" },
  ]);
  finished.resolve();
  await bench.desk.settled();
  t.is(bench.executed.length, 2);
  t.is(bench.saved.noc?.counter, 3);
});
