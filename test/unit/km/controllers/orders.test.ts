import test from "ava";
import {
  type OrderedPair,
  Orders,
  type OrderWorld,
} from "../../../../src/km/controllers/orders.ts";
import { relayReason } from "../../../../src/km/controllers/routes.ts";
import type { PairPolicy } from "../../../../src/km/relay/pair-parts.ts";
import { PairWays } from "../../../../src/km/relay/ways.ts";
import { markExtensions, marksIn } from "../../../../src/wire/ck/marks.ts";
import type { CkCommand, CkMessage } from "../../../../src/wire/ck/messages.ts";
import { codes } from "../../../../src/wire/kx/names.ts";

const me = "km-a";

function bench(policy: Partial<PairPolicy> = {}) {
  const all: PairPolicy = {
    routes: [],
    routing: "controller",
    scheme: "case-2",
    aes: false,
    pool: { kind: "manual" },
    high: 1e6,
    batch: 100,
    ...policy,
  };
  const calls: unknown[][] = [];
  const pair: OrderedPair = {
    ways: new PairWays(all.routing, all.routes),
    policy: all,
    isReady: true,
    orderBy: (via, bytes, deadline, done) => {
      calls.push(["relay", via, bytes, deadline]);
      if (via[0] === "km-b") done(undefined, bytes);
      else done({ failure: "stock", at: "km-d" }, 0);
    },
  };
  const world: OrderWorld = {
    me,
    now: () => 1_000,
    hasLink: (km) => ["km-b", "km-c", "km-d"].includes(km),
    pair: (km) => (km === "km-c" ? pair : undefined),
    reserve: (_km, next, bytes, done) => {
      calls.push(["reserve", next, bytes]);
      if (next === "km-b") done({ keyId: `key-${calls.length}` });
      else done({ failure: "stock", at: me });
    },
    allocate: (keyId, _km, done) => {
      if (!keyId.startsWith("key-")) return false;
      done(undefined);
      return true;
    },
    relayReserved: (keyId, path, done) => {
      calls.push(["reserved", keyId, path]);
      done(undefined, 64);
    },
    session: ({ sessionId }, _marks, done) => {
      done({ type: "sessionNotificationResponse", sessionId, response: "success" });
    },
    routed: (km, controller) => calls.push(["routed", km, controller]),
    serve: (km, service) => {
      calls.push(["serve", km, service]);
      return km === "km-b";
    },
  };
  const orders = new Orders(world);
  const command = (message: CkCommand): CkMessage => {
    const answers: CkMessage[] = [];
    orders.command(message, "one", (answer) => answers.push(answer));
    if (answers.length !== 1) throw new Error(`${answers.length} answers`);
    return answers[0] as CkMessage;
  };
  return { command, calls, pair };
}

const order = { type: "relayRequest", destinationKma: "km-c", transitKmas: ["km-b"] } as const;

test("a relay is ordered: the way is the first, and what came by it is told", (t) => {
  const { command, calls, pair } = bench();
  t.deepEqual(command({ ...order, requestId: "r" }), {
    type: "relayResponse",
    response: "success",
    requestId: "r",
    extension: [{ bits: 800 }],
  });
  t.deepEqual(calls, [
    ["routed", "km-c", "one"],
    ["relay", ["km-b"], 100, 8_000],
  ]);
  t.deepEqual(pair.ways.given, [["km-b"]]);
  const extension = markExtensions({ bits: 9, withinS: 100 });
  command({ ...order, extension });
  t.deepEqual(calls[2], ["relay", ["km-b"], 2, 71_000]);
  const failed = command({ ...order, transitKmas: ["km-d", "km-c"] });
  t.like(failed, { response: "no_keys_available" });
  t.deepEqual(marksIn(failed), { bits: 0, failedAt: "km-d" });
});

test("what is no order of this KM is refused, and nothing is done", (t) => {
  for (const [why, changes, policy] of [
    ["unknown_kma", { destinationKma: "km-z" }],
    ["not_supported", { destinationKma: "km-b" }],
    ["unknown_kma", { sourceKma: "km-b" }],
    ["no_route", { transitKmas: [] }],
    ["no_route", { transitKmas: ["km-z"] }],
    ["invalid_message", { transitKmas: ["km-b", "km-d", "km-b"] }],
    ["invalid_message", { transitKmas: ["km-b", me] }],
    ["invalid_message", { transitKmas: Array.from({ length: 31 }, (_, i) => `km-${i}`) }],
    [
      "invalid_message",
      { transitKmas: Array.from({ length: 30 }, (_, i) => `${i}${"ä".repeat(100)}`) },
    ],
    ["unauthorized", {}, { routing: "configuration" }],
    ["unauthorized", {}, { collector: "km-b", scheme: "centralized" }],
  ] as [string, object, Partial<PairPolicy>?][]) {
    const { command, calls, pair } = bench(policy);
    t.is((command({ ...order, ...changes }) as { response?: string }).response, why);
    t.deepEqual(calls, [], why);
    t.deepEqual(pair.ways.given, []);
  }
  const { destinationKma: _, ...nowhere } = order;
  t.like(bench().command(nowhere), { response: "invalid_message" });
  t.like(bench().command({ type: "report", sourceKm: "x", at: 0 }), { response: "not_supported" });
});

test("keys are reserved, as many as are wanted and there are, and allocated", (t) => {
  const { command, calls } = bench({ routes: [["km-b"]] });
  const ends = { sourceKma: me, destinationKma: "km-c" } as const;
  const ask = { type: "reservationRequest", ...ends } as const;
  t.like(command(ask), { response: "success", keyIds: ["key-1"], ...ends });
  const more = command({ ...ask, extension: markExtensions({ bits: 1_601 }) });
  t.is((more as { keyIds?: string[] }).keyIds?.length, 3);
  const most = command({ ...ask, extension: markExtensions({ bits: 1e9 }) });
  t.is((most as { keyIds?: string[] }).keyIds?.length, 16);
  t.deepEqual(calls[0], ["reserve", "km-b", 100]);
  const by = (next: string) => command({ ...ask, extension: markExtensions({ next }) });
  t.like(by("km-d"), { response: "no_keys_available" });
  t.like(by("km-z"), { response: "no_route" });
  t.like(by("km-c"), { response: "no_route" });
  t.like(command({ ...ask, sourceKma: "km-b" }), { response: "unknown_kma" });
  t.like(bench({ scheme: "destination" }).command(ask), { response: "not_supported" });
  t.like(bench({ routing: "configuration" }).command(ask), { response: "unauthorized" });

  const allocate = { type: "allocationRequest", ...ends } as const;
  t.like(command({ ...allocate, keyIds: ["key-1", "key-2"] }), {
    response: "success",
    keyIds: ["key-1", "key-2"],
  });
  t.like(command({ ...allocate, keyIds: ["other", "key-2"] }), {
    response: "unknown_key_id",
    keyIds: ["key-2"],
  });
  t.like(command({ ...allocate, sourceKma: "km-b", keyIds: ["key-1"] }), {
    response: "unknown_key_id",
  });
});

test("a reserved key of another KM is relayed by its route, and a link is put out of service", (t) => {
  const { command, calls } = bench();
  const relayed = command({
    ...order,
    sourceKma: "km-b",
    transitKmas: [me, "km-d"],
    extension: markExtensions({ reserved: "key" }),
  });
  t.like(relayed, { response: "success" });
  t.deepEqual(marksIn(relayed), { bits: 512 });
  t.deepEqual(calls[0], ["reserved", "key", ["km-b", me, "km-d", "km-c"]]);
  const serve = (sourceKma: string, destinationKma: string) =>
    command({
      ...order,
      ...{ sourceKma, destinationKma, transitKmas: [] },
      extension: markExtensions({ service: "out_of_service" }),
    });
  t.like(serve(me, "km-b"), { response: "success" });
  t.like(serve("km-b", me), { response: "success" });
  t.like(serve("km-b", "km-d"), { response: "unknown_kma" });
  t.like(serve(me, "km-d"), { response: "unknown_kma" });
  t.deepEqual(calls.slice(1, 3), [
    ["serve", "km-b", "out_of_service"],
    ["serve", "km-b", "out_of_service"],
  ]);
});

test("whatever a relay fails of, a controller is told a reason", (t) => {
  for (const failure of codes.relayFailure) t.regex(relayReason(failure), /^[a-z_]+$/);
});
