/** Who leads of two controllers, with a database in the test's hands. */
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { nothingSaved, type Saved } from "../../../../src/controller/core/world.ts";
import { Leader, type LockingEngine } from "../../../../src/controller/io/store/leader.ts";
import type { ChangeStatus } from "../../../../src/controller/model/status.ts";
import { ManualClock, settle } from "../../../clock.ts";

function bench() {
  const clock = new ManualClock();
  const database = {
    holder: undefined as object | undefined,
    term: 0,
    writes: 0,
    saved: nothingSaved(),
    log: [] as string[],
  };
  const troubles: (string | undefined)[] = [];
  /** @param isOpening its database is being opened for ever */
  const controller = (isOpening = false) => {
    const state = {
      unreadable: false,
      silent: false,
      uncounted: false,
      /** It counts that it leads, and that answer is lost with the connection. */
      unheard: false,
      broken: false,
      /** The answer to what is written is lost. */
      unanswered: false,
      reachable: true,
      /** What is read takes until the connection ends. */
      slow: false,
      end: () => {},
      writes: 0,
      /** How often it found the database in an earlier state. */
      earlier: 0,
      /** How often it was told who may take part. */
      accesses: 0,
    };
    const told: [string, Saved][] = [];
    const open = async (onEnd: (why: string) => void): Promise<LockingEngine> => {
      if (!state.reachable) throw new Fault("db.open", "away");
      if (isOpening) await new Promise(() => {});
      const me = {};
      const ended = Promise.withResolvers<never>();
      ended.promise.catch(() => {});
      state.end = () => {
        ended.reject(new Fault("db.io", "the connection is over"));
        if (database.holder === me) database.holder = undefined;
        onEnd("cut");
      };
      return {
        name: "test",
        tryLead: async () => {
          database.holder ??= me;
          const { term, writes } = database;
          return database.holder === me ? { term, writes, next: term + 1 } : undefined;
        },
        lead: async (term) => {
          if (state.uncounted) throw new Fault("db.io", "uncounted");
          database.term = term;
          if (state.unheard) throw new Fault("db.io", "no answer");
        },
        accounts: async () => [],
        access: async () => new Map(),
        found: async () => {
          if (state.silent) throw new Fault("db.io", "no answer");
          const { term, writes } = database;
          return { term, writes, next: term + 1 };
        },
        load: async () => {
          if (state.slow) return ended.promise;
          if (state.unreadable) throw new Fault("db.io", "unreadable");
          return database.saved;
        },
        changes: async () => [],
        write: async (_records, changes) => {
          state.writes = ++database.writes;
          database.log.push(...changes.map(({ text }) => text));
          if (state.unanswered) throw new Fault("db.io", "no answer");
        },
        get writes() {
          return state.writes;
        },
        close: async () => state.end(),
      };
    };
    const onTrouble = (why: string | undefined) => void troubles.push(why);
    const leader = new Leader({ open, clock, log: silentLog, onTrouble, period: () => 0 });
    leader.start({
      onRole: (role, saved) => {
        if (state.broken && role === "active") throw new TypeError("a defect");
        told.push([role, saved]);
      },
      onEarlier: () => void state.earlier++,
      onAccess: () => void state.accesses++,
    });
    return { state, told, leader };
  };
  const second = async () => {
    await clock.advance(1_000);
    await settle();
  };
  return { database, controller, second, troubles };
}

const other = (): Saved => ({ ...nothingSaved(), routes: new Map() });

test("one leads, the other takes over when its connection ends; one that comes back stands by", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  const two = controller();
  await second();
  t.deepEqual([one.told, two.told], [[["active", database.saved]], []]);
  t.is(two.state.accesses, 1, "who may take part is known while another leads");
  for (let i = 0; i < 5; i++) await second();
  t.deepEqual([one.state.accesses, two.state.accesses], [0, 2]);
  one.state.reachable = false;
  one.state.end();
  await second();
  t.deepEqual(two.told, [["active", database.saved]]);
  t.true(one.leader.leads, "it does not hear of it");
  await t.throwsAsync(one.leader.write([], []), { code: "db.open" });
  one.state.reachable = true;
  await second();
  t.is(one.told.at(-1)?.[0], "standby");
  t.false(one.leader.leads);
});

test("who led before the database was away leads on, also where another is connected again before it", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  const two = controller();
  await second();
  for (const { state } of [one, two]) {
    state.reachable = false;
    state.end();
  }
  for (let i = 0; i < 10; i++) await second();
  two.state.reachable = true;
  await second();
  one.state.reachable = true;
  for (let i = 0; i < 10; i++) await second();
  t.deepEqual([one.told, two.told], [[["active", database.saved]], []]);
  await t.notThrowsAsync(one.leader.write([], []));
});

test("one that does not come back after the database was away is followed by another", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  const two = controller();
  await second();
  one.state.reachable = false;
  for (const { state } of [one, two]) state.end();
  for (let i = 0; i < 8; i++) await second();
  t.deepEqual(two.told, [["active", database.saved]]);
});

test("one that finds the database as it was before it wrote last leads on, and has all of it written again", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  await one.leader.write([], []);
  const copy = { term: database.term, writes: database.writes };
  await one.leader.write([], []);
  const again = async (found: typeof copy) => {
    Object.assign(database, found);
    one.state.end();
    await second();
    return one.state.earlier;
  };
  t.is(await again({ ...database }), 0, "nothing was put back");
  t.is(await again(copy), 1, "a write is lost");
  await one.leader.write([], []);
  t.is(await again({ term: 0, writes: 0 }), 2, "it has nothing");
  await one.leader.write([], []);
  t.deepEqual(one.told, [["active", database.saved]]);
  t.is(await again({ term: 100, writes: 0 }), 2, "another led after it was put back");
  t.deepEqual(
    one.told.map(([role]) => role),
    ["active", "standby", "active"],
  );
});

test("one that finds the database as it was leads on with what it knows, also if it is not told that it was counted", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  await one.leader.write([], []);
  Object.assign(database, { writes: 0 });
  for (const isCounted of [true, false]) {
    one.state.unheard = isCounted;
    one.state.uncounted = !isCounted;
    one.state.end();
    await second();
    t.is(database.holder, undefined, "the lock is free meanwhile");
    one.state.unheard = false;
    one.state.uncounted = false;
    for (let i = 0; i < 8; i++) await second();
    t.deepEqual(one.told, [["active", database.saved]], "it did not begin anew");
    t.true(one.state.earlier >= 1, "all of it is written again");
    await t.notThrowsAsync(one.leader.write([], []));
    Object.assign(database, { writes: 0 });
  }
});

test("what cannot be read when the lock is had is asked for again", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  one.state.unreadable = true;
  await settle();
  await second();
  t.deepEqual(one.told, []);
  t.false(one.leader.leads);
  await t.throwsAsync(one.leader.write([], []), { code: "db.open" });
  one.state.unreadable = false;
  await second();
  t.deepEqual(one.told, [["active", database.saved]]);
  await t.notThrowsAsync(one.leader.write([], []));
});

test("one that was cut off goes on if nobody led meanwhile, and begins anew if another did", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  one.state.end();
  await second();
  t.deepEqual(one.told, [["active", database.saved]]);
  await t.notThrowsAsync(one.leader.write([], []));

  one.state.reachable = false;
  one.state.end();
  const two = controller();
  await second();
  t.is(two.told.length, 1);
  database.saved = other();
  await two.leader.close();
  one.state.reachable = true;
  await second();
  t.deepEqual(one.told.slice(1), [
    ["standby", nothingSaved()],
    ["active", database.saved],
  ]);
  t.is(one.told.at(-1)?.[1], database.saved);
});

test("one that cannot read what was kept, or count that it leads, leaves the lock to another", async (t) => {
  for (const trouble of ["unreadable", "uncounted"] as const) {
    const { database, controller, second } = bench();
    const one = controller();
    one.state[trouble] = true;
    await settle();
    const two = controller();
    await settle();
    await second();
    t.deepEqual([one.told, two.told], [[], [["active", database.saved]]], trouble);
    t.is(database.term, 1);
  }
});

test("a defect in what begins when it leads ends nothing: it is told, and tried again", async (t) => {
  const { database, controller, second, troubles } = bench();
  const one = controller();
  one.state.broken = true;
  await settle();
  await second();
  t.false(one.leader.leads);
  t.true(troubles.every((why) => why?.startsWith("internal error: TypeError")));
  t.true(troubles.length >= 2);
  one.state.broken = false;
  await second();
  t.deepEqual(one.told.at(-1), ["active", database.saved]);
  t.true(one.leader.leads);
  t.is(troubles.at(-1), undefined);
});

test("a connection that answers no more is given up, and who lost the lock by it stands by", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  const two = controller();
  one.state.silent = true;
  await second();
  t.not(database.holder, undefined, "one answer may be late");
  await second();
  for (let i = 0; i < 3; i++) await second();
  one.state.silent = false;
  for (let i = 0; i < 3; i++) await second();
  t.deepEqual([one.told.at(-1)?.[0], two.told.at(-1)?.[0]], ["standby", "active"]);
});

test("one that is stopped while it reads what was kept stops at once, and leaves the lock to another", async (t) => {
  const { database, controller, second, troubles } = bench();
  const one = controller();
  one.state.slow = true;
  await settle();
  t.not(database.holder, undefined);
  let isClosed = false;
  const closing = one.leader.close().then(() => {
    isClosed = true;
  });
  await settle();
  t.true(isClosed, "without any time");
  await closing;
  t.deepEqual([database.holder, one.told], [undefined, []]);
  t.deepEqual(troubles, [], "nothing is wrong with the database");
  const two = controller();
  await second();
  t.is(two.told[0]?.[0], "active");
});

test("one that is stopped while its database is being opened does not wait for that", async (t) => {
  const { controller, second } = bench();
  const one = controller(true);
  await settle();
  let isClosed = false;
  void one.leader.close().then(() => {
    isClosed = true;
  });
  await second();
  t.true(isClosed);
});

const change = (text: string): ChangeStatus => {
  return { time: "2026-12-01T00:00:00.000Z", kind: "policy", object: "km-a", text };
};

test("a change whose answer is lost is in the log once, with the connection over or not", async (t) => {
  for (const isOver of [true, false]) {
    const { database, controller, second } = bench();
    const one = controller();
    await settle();
    const changes = [change("first")];
    one.state.unanswered = true;
    for (let i = 0; i < 2; i++) {
      await t.throwsAsync(one.leader.write([], changes), { code: "db.io" });
      if (isOver) one.state.end();
      await second();
    }
    one.state.unanswered = false;
    await one.leader.write([], [...changes, change("second")]);
    await one.leader.write([], [change("second")]);
    t.deepEqual(database.log, ["first", "second", "second"], `over: ${isOver}`);
    t.deepEqual(one.told, [["active", database.saved]]);
    t.is(one.state.earlier, 0);
  }
});

test("a change that the database does not have is written again", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  const copy = { writes: database.writes, log: [] };
  one.state.unanswered = true;
  await t.throwsAsync(one.leader.write([], [change("first")]));
  one.state.unanswered = false;
  Object.assign(database, copy);
  one.state.end();
  await second();
  await one.leader.write([], [change("first")]);
  t.deepEqual(database.log, ["first"]);
});

test("a database that is put back under a connection that goes on has all of it written again", async (t) => {
  const { database, controller, second } = bench();
  const one = controller();
  await settle();
  for (let i = 0; i < 3; i++) await one.leader.write([], []);
  database.writes = 1;
  await second();
  t.is(one.state.earlier, 1, "it is seen when it is looked");
  await one.leader.write([], []);
  await second();
  t.is(one.state.earlier, 1);
  for (let i = 0; i < 3; i++) await one.leader.write([], []);
  database.writes = 1;
  await one.leader.write([], []);
  t.is(one.state.earlier, 2, "or at the next write");
  await second();
  t.deepEqual(one.told, [["active", database.saved]]);
  database.term = 100;
  await second();
  await second();
  t.deepEqual(
    one.told.map(([role]) => role),
    ["active", "standby", "active"],
    "another led in what is there now",
  );
});
