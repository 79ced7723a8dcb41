/** Both ends of proactive supply, with the link between them in the test's hands. */
import test from "ava";
import { Mailboxes } from "../../../../src/km/applications/mailboxes.ts";
import {
  type DeliveringLink,
  type Order,
  ProactiveSupply,
} from "../../../../src/km/applications/proactive.ts";
import { KeySessions } from "../../../../src/km/controllers/sessions.ts";
import type { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";
import type { DeliveryMessage } from "../../../../src/wire/kx/deliver-messages.ts";
import { ManualClock, settle } from "../../../clock.ts";

const kms: Readonly<Record<string, string>> = { a: "km-a", b: "km-b" };
const id = (n: number) => n.toString(16).padStart(32, "0");
const ids = [id(1), id(2)];

function end(me: string, peer: string, clock: ManualClock) {
  let count = 0;
  const sent: DeliveryMessage[] = [];
  const givenUp: (readonly string[])[] = [];
  const mailboxes = new Mailboxes({
    now: () => clock.now(),
    after: (ms, fn) => clock.after(ms, fn),
    newId: () => `n-${++count}`,
  });
  const sessions: KeySessions = new KeySessions({
    me,
    now: () => clock.now(),
    ask: async () => ({ id: "s-1" }),
    notify: (session, done) => supply.invite(session, done),
    over: (session) => supply.over(session),
    kmOf: (sae) => kms[sae],
    mayShare: () => true,
    changed: () => {},
  });
  const supply = new ProactiveSupply({
    mailboxes,
    sessions: () => sessions,
    within: 1_000,
    after: (ms, fn) => clock.after(ms, fn),
    random: (length) => Buffer.alloc(length, ++count),
  });
  const core = {
    phase: "ready",
    version: 2,
    peer: { giveUp: (keys: readonly string[]) => givenUp.push(keys) },
    send: (message: DeliveryMessage) => sent.push(message),
  };
  const link = { peer, core } as unknown as DeliveringLink & { core: typeof core };
  return { sent, givenUp, mailboxes, sessions, supply, link };
}

async function bench() {
  const clock = new ManualClock();
  const [a, b] = [end("km-a", "km-b", clock), end("km-b", "km-a", clock)];
  a.sessions.create("a", "b", () => {});
  await settle();
  const listen = () => {
    const given: string[] = [];
    b.mailboxes.listen("b", 60_000, (letter) => given.push(letter?.id ?? "none"));
    return given;
  };
  const [, joined] = [listen(), [] as string[]];
  const notification = {
    type: "sessionNotification",
    ...{ sourceApp: "a", destinationApp: "b" },
    ...{ sourceKm: "km-a", sessionId: "s-1" },
  } as const;
  b.sessions.notified(notification, { supply: "proactive" }, ({ response }) =>
    joined.push(response),
  );
  b.mailboxes.answer("b", "n-1", { accepted: true });
  /** Carries what waits from one end to the other. */
  const carry = () => {
    for (const message of a.sent.splice(0)) b.supply.heard(b.link, message);
    for (const message of b.sent.splice(0)) a.supply.heard(a.link, message);
  };
  const order = (more: Partial<Order> = {}) => {
    const said: (number | "keys")[] = [];
    const all = { session: "s-1", source: "a", destination: "b", ids, ...more };
    a.supply.order(a.link, all, (refusal) => said.push(refusal?.status ?? "keys"));
    return said;
  };
  return { clock, a, b, joined, listen, carry, order };
}

test("the source has its keys when the destination says that it has them", async (t) => {
  const { a, b, joined, listen, carry, order } = await bench();
  t.deepEqual(joined, ["success"]);
  const given = listen();
  const said = order();
  carry();
  t.is(given.length, 1);
  t.deepEqual(b.mailboxes.find("b", given[0] ?? ""), { session: "s-1", source: "a", keys: ids });
  t.deepEqual(said, []);
  b.mailboxes.answer("b", given[0] ?? "", { accepted: true });
  carry();
  t.deepEqual(said, ["keys"]);
  t.deepEqual(b.givenUp, []);
  t.like(b.sessions.list(), [{ id: "s-1", role: "destination", keys: 2 }]);
  const counts = { sessions: 1, deliveries: { delivered: 1 }, keys: 2 };
  t.deepEqual([a.supply.status().source, b.supply.status().destination], [counts, counts]);
});

test("what the destination does not take, or not in time, is given up at both ends", async (t) => {
  const { clock, a, b, listen, carry, order } = await bench();
  const given = listen();
  const refused = order();
  carry();
  b.mailboxes.answer("b", given[0] ?? "", { accepted: false });
  carry();
  t.deepEqual(refused, [503]);
  listen();
  const late = order();
  carry();
  await clock.advance(1_000);
  carry();
  t.deepEqual([late, b.givenUp], [[503], [ids, ids]]);
  // Nobody says anything: a second later the source is answered all the same.
  const lost = order();
  await clock.advance(1_999);
  t.deepEqual(lost, []);
  await clock.advance(1);
  t.deepEqual(lost, [503]);
  t.like(a.supply.status().source, { deliveries: { refused: 1, late: 2 }, keys: 0 });
  t.like(b.supply.status().destination, { deliveries: { refused: 1, late: 1 }, keys: 0 });
});

test("a session that the other end does not know, or that is another KM's, is over at the source", async (t) => {
  const { a, b, listen, carry, order } = await bench();
  t.is(b.sessions.deliverable("s-1", "km-x"), undefined);
  const unknown = { type: "sessionNotification", sourceApp: "a", destinationApp: "b" } as const;
  b.sessions.notified(
    { ...unknown, sourceKm: "km-a", sessionId: "s-1" },
    { ended: true },
    () => {},
  );
  const [told] = listen();
  t.deepEqual(b.mailboxes.find("b", told ?? ""), { session: "s-1", source: "a", isOver: true });
  const said = order();
  carry();
  t.deepEqual([said, b.givenUp], [[400], [ids]]);
  t.like(a.supply.status(), { source: { sessions: 0, deliveries: { session: 1 } } });
  t.false(a.sessions.use("s-1", "a", "b", 1, "proactive"));
});

test("when the link ends the source is answered at once, and the destination comes too late", async (t) => {
  const { a, b, listen, carry, order } = await bench();
  const given = listen();
  const said = order();
  carry();
  b.supply.down(b.link);
  a.supply.down(a.link);
  t.deepEqual([said, b.givenUp], [[503], [ids]]);
  t.false(b.mailboxes.answer("b", given[0] ?? "", { accepted: true }));
  const figures = { sessions: 1, deliveries: { away: 1 }, keys: 0 };
  t.deepEqual([a.supply.status().source, b.supply.status().destination], [figures, figures]);
  t.is(listen().length, 0);
  const again = order();
  carry();
  b.supply.down(a.link);
  b.mailboxes.answer("b", "n-3", { accepted: true });
  carry();
  t.deepEqual(again, ["keys"], "another link's end is none of its");
});

test("an order that comes twice is carried out once", async (t) => {
  const { a, b, listen, carry, order } = await bench();
  const given = listen();
  const said = order();
  const [message] = a.sent as [DeliveryMessage];
  b.supply.heard(b.link, message);
  carry();
  t.is(given.length, 1);
  t.is(listen().length, 0);
  b.mailboxes.answer("b", given[0] ?? "", { accepted: true });
  carry();
  carry();
  t.deepEqual(said, ["keys"]);
});

test("a request is checked before keys are made: version, session, and how many wait", async (t) => {
  const { a, order } = await bench();
  const check = (more: object = {}, version = 2) => {
    try {
      const link = { ...a.link, core: { ...a.link.core, version } } as DeliveringLink;
      const asked = { session: "s-1", source: "a", destination: "b", keys: 1, ...more };
      a.supply.check(link, asked);
      return 200;
    } catch (error) {
      return (error as EtsiRefusal).status;
    }
  };
  t.is(check(), 200);
  t.is(check({ session: "s-2" }), 400);
  t.is(check({ source: "a2" }), 400);
  t.is(check({}, 1), 400);
  for (let i = 0; i < 64; i++) order();
  t.is(check(), 503);
  a.link.core.phase = "down";
  t.deepEqual(order({ source: "a2" }), [503]);
});
