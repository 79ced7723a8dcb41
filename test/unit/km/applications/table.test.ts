import { hash } from "node:crypto";
import test from "ava";
import { type Application, ApplicationTable } from "../../../../src/km/applications/table.ts";
import { useOf } from "../../../../src/km/store/sae-set.ts";

const rate = { keysPerS: 1, burst: 1 };

const application = (id: string, km: string, partners: string[] = [], names = [id]) => {
  return { id, km, names, partners, rate } satisfies Application;
};

const all = [
  application("a", "km-a", ["b", "c", "nobody"], ["a.example", "192.0.2.1"]),
  application("a2", "km-a", ["a", "b2"], ["a2.example", "shared.example"]),
  application("b", "km-b"),
  application("b2", "km-b", ["b"]),
  application("c", "km-c", ["a"]),
];
const table = new ApplicationTable("km-a", all);

test("a certificate is of the one application that has a name in it", (t) => {
  t.is(table.certified(["a.example"])?.id, "a");
  t.is(table.certified(["x.example", "192.0.2.1"])?.id, "a");
  t.is(table.certified(["a.example", "192.0.2.1"])?.id, "a");
  t.is(table.certified(["a.example", "a2.example"]), undefined);
  t.is(table.certified([]), undefined);
  // The ID counts where it is a name, and applications of other KMs ask there.
  t.is(table.certified(["a"]), undefined);
  t.is(table.certified(["b"]), undefined);
  t.is(table.certified(["__proto__"]), undefined);
});

test("two may share keys if one of them names the other, whoever it is", (t) => {
  t.true(table.mayShare("a", "b"));
  t.true(table.mayShare("b", "a"));
  t.true(table.mayShare("c", "a"));
  t.false(table.mayShare("a", "b2"));
  t.false(table.mayShare("a", "a"));
  t.false(table.mayShare('a","b', ""));
});

test("a key of another KM is bound for its own applications as masters, and ours as slaves", (t) => {
  t.true(table.mayBind("km-b", undefined));
  t.true(table.mayBind("km-b", useOf(["b", "a"])));
  t.true(table.mayBind("km-b", useOf(["b2", "a2"])));
  t.false(table.mayBind("km-b", useOf(["b2", "a"])));
  t.false(table.mayBind("km-b", useOf(["b", "a", "a2"])));
  // Of a third KM; of this one; to slaves elsewhere; of no set.
  t.false(table.mayBind("km-b", useOf(["c", "a"])));
  t.false(table.mayBind("km-b", useOf(["a", "b"])));
  t.false(table.mayBind("km-b", useOf(["b", "b2"])));
  t.false(table.mayBind("km-b", useOf(["nobody", "a"])));
  for (const use of ["", "b a", "[]", '["b"]', '["b", "a"]', "null"]) {
    t.false(table.mayBind("km-b", use), use);
  }
});

test("both KMs have the same digest of their pairs, whatever else their tables have", (t) => {
  const there = new ApplicationTable("km-b", all.toReversed());
  t.deepEqual(table.digest("km-b"), there.digest("km-a"));
  t.notDeepEqual(table.digest("km-b"), table.digest("km-c"));
  t.true(table.hasPairs("km-b"));
  t.true(table.hasPairs("km-c"));
  t.false(table.hasPairs("km-a"));
  t.false(there.hasPairs("km-c"));
  // Told at one end or at both, and with other names, limits and pairs of third KMs.
  const [a, a2, b, b2] = all as unknown as [Application, Application, Application, Application];
  const other = { keysPerS: 7, burst: 7 };
  const told = [
    { ...a, partners: [], rate: other },
    { ...a2, partners: [], names: [] },
    { ...b, partners: ["a"] },
    { ...b2, partners: ["a2", "d"] },
    application("d", "km-d"),
  ];
  t.deepEqual(new ApplicationTable("km-a", told).digest("km-b"), table.digest("km-b"));
  // A pair less, and the same names at other KMs, are another table.
  for (const changed of [
    told.slice(1),
    told.map((one) => (one.id === "b2" ? { ...one, partners: [] } : one)),
    told.map((one) => (one.id === "a2" ? { ...one, km: "km-z" } : one)),
  ]) {
    t.notDeepEqual(new ApplicationTable("km-a", changed).digest("km-b"), table.digest("km-b"));
  }
});

test("the digest is what the other KM's version makes of it too", (t) => {
  const pairs = '[["a","km-a"],["b","km-b"]]\n[["a2","km-a"],["b2","km-b"]]';
  t.deepEqual(table.digest("km-b"), hash("sha256", pairs, "buffer"));
  t.deepEqual(table.digest("km-x"), hash("sha256", "", "buffer"));
});
