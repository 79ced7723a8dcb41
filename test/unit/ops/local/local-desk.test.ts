import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { LocalApi, type LocalDeskParts } from "../../../../src/node/local/api.ts";
import type { NodeEvent } from "../../../../src/node/model/manager.ts";
import { EventHistory } from "../../../../src/ops/events/event-history.ts";
import { LogRing } from "../../../../src/ops/local/log-ring.ts";
import type { LocalRequest } from "../../../../src/ops/local/protocol.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { moduleView } from "../../../rig/manager-bench.ts";

interface Bench {
  readonly desk: LocalApi;
  readonly clock: ManualClock;
  readonly events: NodeEvent[];
  readonly told: string[];
  readonly history: EventHistory;
}

/** A desk whose module answers `self_test` never, and everything else at once. */
function createBench(): Bench {
  const clock = new ManualClock();
  const events: NodeEvent[] = [];
  const told: string[] = [];
  const history = new EventHistory();
  const module = {
    ...moduleView,
    links: () => ({ up: false, reason: "unplugged", kms: [] }),
    kept: () => [],
  };
  const control = {
    module: () => ({
      command: ({ name }: { readonly name: string }) => {
        told.push(name);
        return name === "self_test" ? new Promise<void>(() => {}) : Promise.resolve();
      },
    }),
    acknowledge: () => undefined,
    setThreshold: async () => {},
    zeroized: () => {},
  };
  const desk = new LocalApi({
    config: { node: { id: "node-a" } },
    modules: [module],
    history,
    logs: new LogRing(),
    control,
    onEvent: (event: NodeEvent) => events.push(event),
    clock,
    log: silentLog,
  } as unknown as LocalDeskParts);
  return { desk, clock, events, told, history };
}

const peer = async () => 1_000;
const receive = async () => {};

function act(desk: LocalApi, name: LocalRequest["do"], args: LocalRequest["args"]) {
  return desk.answer({ v: 1, do: name, args }, { role: "act", peer, receive });
}

test("one action at a time; destroying keys waits for nothing", async (t) => {
  const { desk, clock, events, told } = createBench();
  const first = act(desk, "self_test", { module: "alice" });
  await settle();
  await t.throwsAsync(act(desk, "start", { module: "alice" }), { message: /another action/ });
  const zeroized = await act(desk, "zeroize", { module: "alice", confirm: "node-a" });
  t.like(zeroized, { data: { command: "zeroize", status: "done", by: "local uid 1000" } });
  t.deepEqual(told, ["self_test", "zeroize"]);
  await clock.advance(30_000);
  t.like(await first, { data: { status: "failed", reason: "timeout" } });
  t.like(await act(desk, "start", { module: "alice" }), { data: { status: "done" } });
  t.deepEqual(
    events.map(({ type, facts }) => [type, facts.command, facts.status, facts.by]),
    [
      ["command", "zeroize", "done", "local uid 1000"],
      ["command", "self_test", "failed", "local uid 1000"],
      ["command", "start", "done", "local uid 1000"],
    ],
  );
});

test("what is not in order is refused before anybody is told", async (t) => {
  const { desk, told, events } = createBench();
  const refused: readonly (readonly [LocalRequest["do"], LocalRequest["args"], RegExp])[] = [
    ["zeroize", { module: "alice" }, /must name the node: this is node-a/],
    ["zeroize", { module: "alice", confirm: "node-b" }, /must name the node/],
    ["start", { module: "bob" }, /no such module \(there are: alice\)/],
    ["start", {}, /bad arguments/],
    ["start", { module: "alice", more: 1 }, /bad arguments/],
    ["acknowledge_alarm", { alarm: "x".repeat(300) }, /bad arguments/],
  ];
  for (const [name, args, message] of refused) {
    await t.throwsAsync(act(desk, name, args), { message });
  }
  const reader = { role: "look", peer, receive } as const;
  await t.throwsAsync(desk.answer({ v: 1, do: "stop", args: { module: "alice" } }, reader), {
    message: /only answers/,
  });
  t.deepEqual([told, events], [[], []]);
});

test("who follows events gets those of before, then each once", async (t) => {
  const { desk, history } = createBench();
  const event = (type: string) => history.add({ type, at: 0, facts: {} });
  event("a");
  event("alarm_raised");
  const answer = await desk.answer(
    { v: 1, do: "events", args: { follow: true } },
    { role: "look", peer, receive },
  );
  if (!("next" in answer)) return t.fail();
  const types = () =>
    (answer.next() as { events: { type: string }[] } | undefined)?.events.map(({ type }) => type);
  t.deepEqual(types(), ["a", "alarm_raised"]);
  t.is(types(), undefined);
  event("b");
  t.deepEqual(types(), ["b"]);
  const alarms = await desk.answer(
    { v: 1, do: "events", args: { alarms: true } },
    { role: "look", peer, receive },
  );
  t.is((alarms as { data: { events: unknown[] } }).data.events.length, 1);
});
