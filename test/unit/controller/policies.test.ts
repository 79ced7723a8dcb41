/** Policies, from the configuration to what pairs have and what is relayed (IMDA RS QKDN §7.3, Y.3803 §8.2.5). */
import test from "ava";
import { accountsCsv } from "../../../src/controller/cli/show.ts";
import type { FillPolicy } from "../../../src/controller/policy/network.ts";
import type { LinkReport } from "../../../src/wire/ck/report.ts";
import { pairExtension } from "../../../src/wire/ck/state.ts";
import { link, noon, Rig } from "./rig.ts";

const hour = 3_600_000;
type Edges = readonly (readonly [string, string])[];
const row: Edges = [
  ["a", "b"],
  ["b", "c"],
];
/** Two pairs that share the first link. */
const fork: Edges = [...row, ["b", "d"]];

/** Bits of relays that the controller began since the last look, which all came. */
function relayed(rig: Rig): number {
  let sum = 0;
  for (const { command, done } of rig.take()) {
    const bits = command.extension?.find((one) => typeof one.bits === "number")?.bits ?? 0;
    if (command.type === "relayRequest") sum += Number(bits);
    done({ type: "relayResponse", response: "success" });
  }
  return sum;
}

function filled(fill: FillPolicy): Rig {
  const rig = new Rig({ pairs: [{ a: "a", b: "c", fill, batch: 10_000 }] });
  rig.network(row);
  return rig;
}

function pool(rig: Rig, stock: number, consumption: number): void {
  const none = { relayed: 0, pads: 0, relays: 0, failed: 0 };
  const pair = { peer: "c", up: true, stock, scheme: "case-2", consumption, ...none };
  rig.report("a", [link("b")], [pairExtension({ ...pair, routing: "controller" })]);
}

/** What it relays in so many seconds, in which key managers report. */
function within(rig: Rig, seconds: number, edges = row, other: Partial<LinkReport> = {}): number {
  let sum = relayed(rig);
  for (let i = 0; i < seconds * 4; i++) {
    if (i % 20 === 0) {
      for (const [a, b] of edges) {
        rig.report(a, [link(b, other)]);
        rig.report(b, [link(a, other)]);
      }
    }
    rig.pass(250);
    sum += relayed(rig);
  }
  return sum;
}

test("by the hour: a pool is filled at the rate of the hours, and not outside of them", (t) => {
  const rig = filled({ kind: "scheduled", hours: [{ from: 780, until: 840, rate: 10_000 }] });
  t.is(within(rig, 20), 0, "it is noon");
  rig.wall = noon + hour;
  const sum = within(rig, 30);
  t.true(sum >= 290_000 && sum <= 300_000, `${sum}`);
  rig.wall = noon + 2 * hour;
  relayed(rig);
  const left = within(rig, 20);
  t.true(left < 10_000, `${left}`);
});

test("as much as is used: stock for a minute at the consumption of late, and never less than the least", (t) => {
  const rig = filled({ kind: "adaptive", low: 100_000 });
  pool(rig, 100_000, 0);
  t.is(within(rig, 5), 0);
  pool(rig, 20_000, 0);
  rig.pass(250);
  t.true(relayed(rig) > 0);
  pool(rig, 100_000, 10_000);
  rig.pass(250);
  t.true(relayed(rig) > 0, "a minute of it is 600,000");
  pool(rig, 600_000, 10_000);
  t.is(within(rig, 5), 0);
});

test("by hand: what was ordered is relayed, and no more", (t) => {
  const rig = filled({ kind: "manual" });
  t.is(within(rig, 5), 0);
  rig.core.orderRelay("a", "c", 35_000, "alice");
  t.is(rig.pair("a--c")?.ordered_bits, 35_000);
  t.is(within(rig, 5), 35_000);
  t.is(rig.pair("a--c")?.ordered_bits, 0);
});

test("by hand: what was ordered is taken back, and what was under way then is not tried again", (t) => {
  const rig = filled({ kind: "manual" });
  rig.core.orderRelay("a", "c", 10_000_000, "alice");
  rig.pass(250);
  rig.core.orderRelay("c", "a", 0, "bob");
  const under = rig.take();
  t.is(under.length, 4);
  for (const { done } of under) done(undefined);
  t.is(rig.pair("a--c")?.ordered_bits, 0);
  // What failed by its first way is tried by no other: there is one way.
  t.is(within(rig, 120), 0);
  t.regex(
    rig.core
      .status()
      .changes.map(({ text }) => text)
      .join("; "),
    /taken back, by bob/,
  );
  rig.core.orderRelay("a", "c", 20_000, "alice");
  t.is(within(rig, 5), 20_000);
});

test("a rationed link gives what its ration is, and to the classes that it names", (t) => {
  const rig = new Rig({
    classes: [{ name: "gold" }],
    links: [{ a: "a", b: "b", ration: { rate: 500, classes: ["gold"] } }],
    pairs: [
      { a: "a", b: "c", class: "gold" },
      { a: "a", b: "d" },
    ],
  });
  rig.network(fork);
  within(rig, 60, fork);
  t.like(rig.link("a--b"), { state: "scarce", reason: "rationed" });
  t.is(Math.round(rig.pair("a--c")?.share ?? 0), 500);
  t.deepEqual(rig.pair("a--d")?.route, []);
});

test("a class is guaranteed its share in its hours, and shares alike outside of them", (t) => {
  const hours = [{ from: 540, until: 1_260 }];
  const rig = new Rig({
    classes: [{ name: "day", guaranteed: 20_000, priority: 1, hours }],
    pairs: [
      { a: "a", b: "c", class: "day" },
      { a: "a", b: "d" },
    ],
  });
  const rates = { rate: 24_000, stock: 600_000 };
  rig.network(fork, rates);
  const shares = () => ["a--c", "a--d"].map((pair) => Math.round(rig.pair(pair)?.share ?? 0));
  within(rig, 60, fork, rates);
  const [day = 0, other = 0] = shares();
  t.true(day >= 20_000 && other > 0 && other <= 6_000, `${day} ${other}`);
  rig.wall = noon + 10 * hour;
  within(rig, 60, fork, rates);
  const [night = 0, equal = 0] = shares();
  t.true(Math.abs(night - equal) < 0.1 * night, `${night} ${equal}`);
});

test("accounts are a table of any program's: a line each, whatever an application is called", (t) => {
  const rig = new Rig();
  rig.attach("a", [link("b", { matched: 0 })]);
  rig.report("a", [link("b", { matched: 4_096 })]);
  const [account] = rig.core.accounts();
  const named = { ...account, object: 'x,"y"\r\n=z' } as NonNullable<typeof account>;
  const csv = accountsCsv([named]);
  t.true(csv.endsWith("\r\n"));
  t.is(csv.split("\r\n")[0]?.split(",").slice(0, 4).join(), "from,seconds,kind,object");
  t.regex(csv, /^2026-06-03T12:00:00\.000Z,3600,link,"x,""y""··=z",/m);
  const formula = { ...account, object: "=HYPERLINK()" } as NonNullable<typeof account>;
  t.regex(accountsCsv([formula]), /,link,'=HYPERLINK\(\),/);
  const hostile = { ...account, object: "\u001b]0;x\u0007\u009b2J\u202e" } as NonNullable<
    typeof account
  >;
  t.regex(accountsCsv([hostile]), /,link,·\]0;x··2J·,/);
});
