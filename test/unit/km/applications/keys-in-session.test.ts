import test from "ava";
import {
  KeysInSession,
  type SuppliedKeys,
} from "../../../../src/km/applications/keys-in-session.ts";
import type { Order } from "../../../../src/km/applications/proactive.ts";
import { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";

const granted = { link: "fibre", uses: [{ id: "1" }, { id: "2" }] } as unknown as SuppliedKeys;

function asked(more: object) {
  const request = { number: 2, additional: [], session: "s-1", ...more };
  const count = { refused: 0 };
  return { caller: { id: "a" }, link: {}, slave: "b", request, count } as never;
}

function bench() {
  const orders: [Order, (refusal: EtsiRefusal | undefined) => void][] = [];
  const forgotten: SuppliedKeys[] = [];
  const results: (SuppliedKeys | EtsiRefusal)[] = [];
  const keys = new KeysInSession({
    proactive: {
      check: (_link, { session, keys: wanted }) => {
        if (session !== "s-1" || wanted !== 2) throw new EtsiRefusal(400, "not open");
      },
      order: (_link, order, done) => orders.push([order, done]),
    },
    forget: (one) => forgotten.push(one),
  });
  const bring = (more: object = {}) => keys.bring(asked(more), granted, (one) => results.push(one));
  return { keys, orders, forgotten, results, bring };
}

test("a request in a session is checked, and between two", (t) => {
  const { keys } = bench();
  t.notThrows(() => keys.check(asked({})));
  t.throws(() => keys.check(asked({ session: "s-2" })), { message: "not open" });
  t.throws(() => keys.check(asked({ additional: ["b2"] })), { instanceOf: EtsiRefusal });
  t.throws(() => new KeysInSession().check(asked({})), { instanceOf: EtsiRefusal });
});

test("the source has its keys when the other was brought them; else they are forgotten", (t) => {
  const { orders, forgotten, results, bring } = bench();
  bring();
  t.deepEqual(orders[0]?.[0], { session: "s-1", source: "a", destination: "b", ids: ["1", "2"] });
  t.deepEqual(results, []);
  orders[0]?.[1](undefined);
  t.deepEqual([results, forgotten], [[granted], []]);
  bring();
  const refusal = new EtsiRefusal(503, "it did not take them", [], 5);
  orders[1]?.[1](refusal);
  t.deepEqual([results.at(-1), forgotten], [refusal, [granted]]);
  bring({ session: undefined });
  t.is(results.at(-1), granted);
  t.is(orders.length, 2);
});
