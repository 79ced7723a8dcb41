/** What applications are told, over links whose two ends answer as a test says. */

import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { always } from "../../../../src/base/wanted.ts";
import {
  ApplicationKeys,
  type Granted,
  type KeyLink,
  type KeysOptions,
} from "../../../../src/km/applications/keys.ts";
import { type Application, ApplicationTable } from "../../../../src/km/applications/table.ts";
import { useOf } from "../../../../src/km/store/sae-set.ts";
import { noOffer, type Use } from "../../../../src/km/store/shapes.ts";
import type { Request, Shortage } from "../../../../src/km/supply/request.ts";
import { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";
import { ManualClock } from "../../../clock.ts";
import { limits, twoKeys } from "../../../rig/key-question.ts";

const rate = { keysPerS: 10, burst: 20 };

function application(id: string, km: string, partners: string[] = []): Application {
  return { id, km, names: [id], partners, rate };
}

const all = [
  application("a", "km-a", ["b", "b2", "a2", "c", "d"]),
  application("a2", "km-a"),
  application("b", "km-b"),
  application("b2", "km-b", ["a2"]),
  application("c", "km-c"),
  // Of a KM that no link leads to.
  application("d", "km-d"),
];
const [a, a2] = all as [Application, Application];

function use(n: number, more: Partial<Use> = {}): Use {
  const id = n.toString(16).padStart(32, "0");
  const ranges = [{ extent: 1, start: n * 32, end: n * 32 + 32 }] as unknown as Use["ranges"];
  const request = useOf(["b", "a"]);
  return {
    ...{
      id,
      count: 1,
      offer: noOffer,
      owner: false,
      ranges,
      state: "B",
      fate: undefined,
      had: 0,
      request,
    },
    ...{ assigned: false, number: 0, pickUp: 60 },
    ...more,
  };
}

type Taking = [request: string, ids: readonly string[], slave: number | undefined];

interface Bench {
  readonly keys: ApplicationKeys;
  readonly links: readonly KeyLink[];
  readonly clock: ManualClock;
  readonly uses: Map<string, Use>;
  /** Requests that the owner has, each to be answered. */
  readonly asked: { request: Request; done: (result: Use[] | Shortage) => void }[];
  readonly taken: Taking[];
  /** What the peer answers. */
  answer: readonly Use[] | "unknown" | "late";
}

function bench(options: Partial<KeysOptions> = {}): Bench {
  const clock = new ManualClock();
  const uses = new Map<string, Use>();
  const asked: Bench["asked"] = [];
  const taken: Taking[] = [];
  const table = new ApplicationTable("km-a", all);
  const linkTo = (name: string, peer: string, uses: Map<string, Use>) =>
    ({
      name,
      peer,
      level: name === "fibre" ? "otp" : "any",
      core: {
        phase: "ready",
        books: { stock: { free: () => 3_200 }, side: 0, uses },
        owner: {
          request: (request: Request, done: (result: Use[] | Shortage) => void) =>
            void asked.push({ request, done }),
          preOffer: () => {},
          prepared: () => 8,
        },
        peer: {
          take: (
            request: string,
            ids: readonly string[],
            _deadline: number,
            done: (result: Bench["answer"]) => void,
            slave?: number,
          ) => {
            taken.push([request, ids, slave]);
            done(made.answer);
          },
        },
      },
    }) as unknown as KeyLink;
  const links = [linkTo("fibre", "km-b", uses), linkTo("other", "km-c", new Map())];
  const keys = new ApplicationKeys({
    me: "km-a",
    table: () => table,
    links,
    limits,
    outstanding: 10_000,
    pickUp: 60,
    answerTimeout: ms(1_000),
    prepared: 0,
    now: () => clock.now(),
    after: (ms, fn) => void clock.after(ms, fn),
    ...options,
  });
  const made: Bench = { keys, links, clock, uses, asked, taken, answer: [] };
  return made;
}

/** What was told, once. */
function told(t: ExecutionContext) {
  const results: (Granted | EtsiRefusal)[] = [];
  const done = (result: Granted | EtsiRefusal) => {
    results.push(result);
    t.is(results.length, 1);
  };
  const refusal = () => {
    const [result] = results;
    t.true(result instanceof EtsiRefusal);
    const { status, message, retryAfter } = result as EtsiRefusal;
    return [status, message, retryAfter];
  };
  return { results, done, refusal };
}

test("a status has what the link, the table and the limits say", (t) => {
  t.deepEqual(bench().keys.status(a, "b", 320_000), {
    source_KME_ID: "km-a",
    target_KME_ID: "km-b",
    master_SAE_ID: "a",
    slave_SAE_ID: "b",
    key_size: 256,
    stored_key_count: 108,
    max_key_count: 10_000,
    max_key_per_request: 128,
    max_key_size: 65_536,
    min_key_size: 64,
    max_SAE_ID_count: 15,
  });
});

test("who may share no keys is told nothing; where no link leads is told", (t) => {
  const { keys, asked } = bench();
  const refused = (caller: Application, id: string) => {
    const error = t.throws(() => keys.give(caller, id, twoKeys, () => {}), {
      instanceOf: EtsiRefusal,
    });
    t.throws(() => keys.status(caller, id, 0), { message: error?.message });
    t.throws(() => keys.take(caller, id, ["0"], () => {}), { message: error?.message });
    return [error?.status, error?.message];
  };
  t.deepEqual(refused(a, "nobody"), [401, ""]);
  t.deepEqual(refused(a2, "b"), [401, ""]);
  t.deepEqual(refused(a, "a"), [401, ""]);
  t.deepEqual(refused(a, "a2"), [400, "both SAEs are of this KME: no QKD link is between them"]);
  t.deepEqual(refused(a, "d"), [400, "no QKD link leads to the KME of the other SAE"]);
  t.is(asked.length, 0);
});

test("keys are asked for as the request has it, and granted", (t) => {
  const { keys, asked } = bench();
  const { results, done } = told(t);
  keys.give(a, "b", { ...twoKeys, size: 512, additional: ["b2"] }, done);
  const { request, done: answer } = asked[0] as Bench["asked"][0];
  t.deepEqual(request, {
    use: useOf(["a", "b", "b2"]),
    keys: 2,
    length: 64,
    pickUp: 60,
    deadline: 1_000,
    isWanted: always,
  });
  const uses = [use(1), use(2)];
  answer(uses);
  t.deepEqual(results, [{ link: "fibre", uses, level: "otp" }]);
  const count = { peer: "km-b", requests: 1, keys: 2, bits: 512, refused: 0 };
  t.deepEqual([...keys.counts], [[useOf(["a", "b", "b2"]), count]]);
});

for (const [shortage, message, after] of [
  ["away", "the KME of the other SAE cannot be reached", 1],
  ["stock", "not enough keys are stored", 1],
  ["refused", "the KME of the other SAE refused the keys", 5],
  ["late", "the KME of the other SAE did not answer in time", 1],
] as const) {
  test(`a shortage (${shortage}) is 503 with a time to try again`, (t) => {
    const { keys, asked } = bench();
    const { done, refusal } = told(t);
    keys.give(a, "b", twoKeys, done);
    asked[0]?.done(shortage);
    t.deepEqual(refusal(), [503, message, after]);
    t.like([...keys.counts.values()][0], { requests: 1, keys: 0, refused: 1 });
  });
}

test("slaves of a set are of one KME, each named once", (t) => {
  const { keys } = bench();
  const message = (id: string, additional: string[]) =>
    t.throws(() => keys.give(a, id, { ...twoKeys, additional }, () => {}), {
      instanceOf: EtsiRefusal,
    })?.message;
  t.is(message("b", ["c"]), "the SAEs that are to get the keys are of different KMEs");
  t.is(message("b", ["b2", "b"]), "an SAE is named twice");
  t.is(message("b", ["nobody"]), "");
});

test("a level that the link's stock does not have is refused by the standard's text, and costs nothing", (t) => {
  const { keys, asked } = bench();
  keys.give(a, "b", { ...twoKeys, level: "otp" }, () => {});
  t.throws(() => keys.give(a, "c", { ...twoKeys, level: "otp" }, () => {}), {
    instanceOf: EtsiRefusal,
    message: "not all extension_mandatory request options could be met",
  });
  const { results, done } = told(t);
  keys.give(a, "c", { ...twoKeys, wish: "otp" }, done);
  t.is(asked.length, 2);
  asked[1]?.done([use(1)]);
  t.like(results[0], { link: "other", level: "any" });
});

test("more than an application may have is 429, and costs no key", (t) => {
  const { keys, asked, clock } = bench();
  keys.give(a, "b", { ...twoKeys, number: 20 }, () => {});
  const { done, refusal } = told(t);
  keys.give(a, "b", { ...twoKeys, number: 5 }, done);
  t.deepEqual(refusal(), [429, "more keys than the SAE may have", 1]);
  t.is(asked.length, 1);
  void clock.advance(1_000);
  t.like([...keys.counts.values()][0], { requests: 2, refused: 1 });
});

test("while the tables of both ends differ the other KM is asked first", (t) => {
  const { keys, asked, links } = bench();
  const [fibre] = links as readonly { isSamePolicy?: boolean }[];
  for (const isSamePolicy of [true, false, true]) {
    if (fibre) fibre.isSamePolicy = isSamePolicy;
    keys.give(a, "b", twoKeys, () => {});
    t.is(asked.at(-1)?.request.agreed ?? false, !isSamePolicy);
  }
});

test("requests of one application wait, and of too many the next is refused", (t) => {
  const { keys, asked } = bench();
  const busy = { ...a, rate: { keysPerS: 1_000, burst: 100_000 } };
  for (let i = 0; i < 512; i++) keys.give(busy, "b", twoKeys, () => {});
  t.is(asked.length, 256);
  t.is(keys.waiting, 256);
  const { done, refusal } = told(t);
  keys.give(busy, "b", twoKeys, done);
  t.deepEqual(refusal(), [503, "too many requests of the SAE wait", 1]);
  asked[0]?.done("stock");
  t.is(asked.length, 257);
  t.is(keys.waiting, 255);
});

const idsOf = (...uses: Use[]) => uses.map(({ id }) => id);

function put(to: Bench, ...uses: Use[]): string[] {
  for (const one of uses) to.uses.set(one.id, one);
  return idsOf(...uses);
}

test("keys that are the caller's are taken, all at once", (t) => {
  const made = bench();
  const uses = [use(1), use(2)];
  const ids = put(made, ...uses);
  made.answer = uses;
  const { results, done } = told(t);
  made.keys.take(a, "b", ids, done);
  t.deepEqual(made.taken, [[useOf(["b", "a"]), ids, 0]]);
  t.deepEqual(results, [{ link: "fibre", uses, level: "otp" }]);
  t.like(made.keys.counts.get(useOf(["b", "a"])), { requests: 1, keys: 2 });
});

test("a slave among others has its place in the set", (t) => {
  const made = bench();
  const set = useOf(["b2", "a", "a2"]);
  const ids = put(made, use(1, { request: set }));
  made.keys.take(a2, "b2", ids, () => {});
  made.keys.take(a, "b2", ids, () => {});
  t.deepEqual(made.taken, [
    [set, ids, 1],
    [set, ids, 0],
  ]);
});

test("keys of others are 401, whoever asks", (t) => {
  const made = bench();
  const cases: [Use, string][] = [
    // Of another slave, of another master, given out here, of no set that could be read.
    [use(1, { request: useOf(["b", "a2"]) }), "b"],
    [use(2, { request: useOf(["b2", "a"]) }), "b"],
    [use(3, { owner: true, request: useOf(["a", "b"]) }), "b"],
    [use(4, { request: "nonsense" }), "b"],
  ];
  for (const [one, master] of cases) {
    const { done, refusal } = told(t);
    made.keys.take(a, master, put(made, one), done);
    t.deepEqual(refusal(), [401, "", undefined]);
  }
  // Also if one that is the caller's is among them.
  const { done, refusal } = told(t);
  made.keys.take(a, "b", put(made, use(5), use(6, { request: useOf(["b", "a2"]) })), done);
  t.deepEqual(refusal(), [401, "", undefined]);
  t.is(made.taken.length, 0);
});

test("keys of two sets of the caller are fetched one set at a time", (t) => {
  const made = bench();
  const ids = put(made, use(1), use(2, { request: useOf(["b", "a", "a2"]) }));
  const { done, refusal } = told(t);
  made.keys.take(a, "b", ids, done);
  const message = "keys for different sets of SAEs are fetched one set at a time";
  t.deepEqual(refusal(), [400, message, undefined]);
});

test("keys that were asked for apart are not fetched at once beyond what one request may have", (t) => {
  const made = bench();
  const ranges = [{ extent: 1, start: 0, end: 524_289 }] as unknown as Use["ranges"];
  const ids = put(made, use(1, { ranges }), use(2, { ranges }));
  const { done, refusal } = told(t);
  made.keys.take(a, "b", ids, done);
  const message = "the keys have over 8388608 bits together: fewer are fetched at a time";
  t.deepEqual(refusal(), [400, message, undefined]);
  t.is(made.taken.length, 0);
});

test("keys that are not found, and a peer that does not answer", (t) => {
  const made = bench();
  made.answer = "unknown";
  const one = told(t);
  made.keys.take(a, "b", idsOf(use(9)), one.done);
  const message = "one or more keys specified are not found on KME";
  t.deepEqual(one.refusal(), [400, message, undefined]);
  const details = (one.results[0] as EtsiRefusal).details;
  t.deepEqual(details, [{ key_ID: "00000000-0000-0000-0000-000000000009" }]);
  const two = told(t);
  made.keys.take(a, "b", idsOf(use(8), use(9)), two.done);
  t.deepEqual((two.results[0] as EtsiRefusal).details, []);
  made.answer = "late";
  const three = told(t);
  made.keys.take(a, "b", idsOf(use(9)), three.done);
  t.deepEqual(three.refusal(), [503, "the KME of the other SAE did not answer in time", 1]);
});

test("a key whose assignment is on its way is waited for, for half a second", async (t) => {
  const made = bench();
  const [id = ""] = put(made, use(1, { request: undefined }));
  const { results, done } = told(t);
  made.keys.take(a, "b", [id], done);
  await made.clock.advance(100);
  t.is(results.length, 0);
  made.answer = [use(1)];
  put(made, use(1));
  await made.clock.advance(5);
  t.deepEqual(results, [{ link: "fibre", uses: [use(1)], level: "otp" }]);

  put(made, use(2, { request: undefined }));
  const late = told(t);
  made.keys.take(a, "b", idsOf(use(2)), late.done);
  await made.clock.advance(600);
  t.deepEqual(late.refusal(), [503, "the keys are not assigned yet", 0]);
  t.is(made.keys.waiting, 0);
});

test("an application that holds as much of a link's stock as it may is told to come again, and counted", (t) => {
  const { keys, asked } = bench();
  const bound = { ...a, outstandingBits: 1_024 };
  keys.give(bound, "b", { ...twoKeys, number: 4 }, () => {});
  const { done, refusal } = told(t);
  keys.give(bound, "b", { ...twoKeys, number: 1 }, done);
  t.deepEqual(refusal(), [503, "too many keys of the SAE are not fetched yet", 1]);
  t.like([...keys.counts.values()][0], { requests: 2, refused: 1 });
  asked[0]?.done("stock");
  keys.give(bound, "b", twoKeys, () => {});
  t.is(asked.length, 2, "what it was not given it does not hold");
});
