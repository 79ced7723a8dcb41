import { randomUUID } from "node:crypto";
import test from "ava";
import { minutes } from "../../../src/base/duration.ts";
import { Fault } from "../../../src/base/errors.ts";
import { silentLog } from "../../../src/base/log.ts";
import { TunnelEnd } from "../../../src/psk/rotation/end.ts";
import { Master } from "../../../src/psk/rotation/master.ts";
import type { Answer, Message } from "../../../src/psk/rotation/messages.ts";
import type { KeyPlace, TunnelKey } from "../../../src/psk/rotation/ports.ts";
import { Slave } from "../../../src/psk/rotation/slave.ts";

const interval = minutes(1);

class Crash extends Error {}

/** Files and a tunnel of one end: what is left when its process dies. */
class Machine {
  files: { current?: TunnelKey; next?: TunnelKey } = {};
  /** ID of the key that the tunnel has. */
  tunnel: string | undefined;
}

/** Two ends and their KMs, of which one step fails, or ends the process before or after it is done. */
class World {
  readonly a = new Machine();
  readonly b = new Machine();
  kmIsUp = true;
  isRepeatable = false;
  now = 0;
  /** Steps until the one that goes wrong. */
  left = Number.POSITIVE_INFINITY;
  died: "master" | "slave" | undefined;
  readonly how: "fails" | "dies before" | "dies after";
  readonly #given = new Map<string, Buffer>();
  #taken = new Set<string>();
  master: Master;
  slave: Slave;

  constructor(how: World["how"]) {
    this.how = how;
    this.master = this.startMaster();
    this.slave = this.startSlave();
  }

  /** @param of whose process it is that dies with it */
  #step<T>(of: "master" | "slave", act: () => T): T {
    if (--this.left !== 0) return act();
    this.died = of;
    if (this.how === "fails") throw new Fault("psk.peer", "it fails");
    if (this.how === "dies before") throw new Crash();
    act();
    throw new Crash();
  }

  #place({ files }: Machine, of: "master" | "slave"): KeyPlace {
    let { current, next } = files;
    const step = (act: () => void) => this.#step(of, act);
    return {
      get current() {
        return current;
      },
      get next() {
        return next;
      },
      async keepNext(key) {
        step(() => {
          files.next = key;
        });
        next = key;
      },
      async dropNext() {
        step(() => {
          delete files.next;
        });
        next = undefined;
      },
      async promote() {
        step(() => {
          files.current = files.next as TunnelKey;
          delete files.next;
        });
        current = next;
        next = undefined;
      },
    };
  }

  #end(machine: Machine, place: KeyPlace, of: "master" | "slave"): TunnelEnd {
    const isRepeatable = () => this.isRepeatable;
    return new TunnelEnd(place, {
      get isRepeatable() {
        return isRepeatable();
      },
      install: async (bytes) =>
        this.#step(of, () => {
          machine.tunnel = [...this.#given].find(([, known]) => known.equals(bytes))?.[0];
        }),
      agreed: async () => {},
    });
  }

  startMaster(): Master {
    const place = this.#place(this.a, "master");
    const newKey = async () =>
      this.#step("master", () => {
        if (!this.kmIsUp) throw new Fault("psk.km", "it is down");
        const key = { id: randomUUID(), bytes: Buffer.from(randomUUID()) };
        this.#given.set(key.id, Buffer.from(key.bytes));
        return key;
      });
    const dial = async () => ({
      ask: async (message: Message): Promise<Answer> => {
        // Both ways can be cut.
        const answer = await this.#step("master", () => this.slave.hear(message));
        return this.#step("master", () => answer);
      },
      close() {},
    });
    const now = () => this.now;
    const [end, tunnel] = [this.#end(this.a, place, "master"), { agreed: async () => {} }];
    return new Master({ place, end, tunnel, source: { newKey }, dial, interval, now });
  }

  startSlave(): Slave {
    const place = this.#place(this.b, "slave");
    const keyOf = async (id: string) =>
      this.#step("slave", () => {
        const bytes = this.#given.get(id);
        if (!this.kmIsUp || bytes === undefined || this.#taken.has(id)) {
          throw new Fault("psk.km", "no such key");
        }
        this.#taken.add(id);
        return { id, bytes: Buffer.from(bytes) };
      });
    return new Slave({
      place,
      end: this.#end(this.b, place, "slave"),
      source: { keyOf },
      log: silentLog,
    });
  }
}

test("a round gives both ends one new key when that is due, and nothing before", async (t) => {
  const world = new World("fails");
  const first = await world.master.round();
  t.deepEqual([world.a.tunnel, world.b.tunnel], [first, first]);
  t.is(await world.master.round(), undefined);
  world.now += interval;
  const second = await world.master.round();
  t.not(second, first);
  t.deepEqual([world.a.tunnel, world.b.tunnel], [second, second]);
});

for (const how of ["fails", "dies before", "dies after"] as const) {
  for (const alone of [true, false]) {
    if (how === "fails" && alone) continue;
    test(`whatever step ${how} (${how === "fails" ? "none" : alone ? "that one" : "both"} started anew): both ends have the same key soon`, async (t) => {
      let tried = 0;
      for (let step = 1; ; step++) {
        const world = new World(how);
        await world.master.round();
        world.now += interval;
        world.left = step;
        const before = world.a.files.current?.id;
        const ended = await world.master.round().then(
          () => "done",
          () => "failed",
        );
        if (ended === "done" && world.left > 0) break;
        tried++;
        world.left = Number.POSITIVE_INFINITY;
        const hasDecided = world.a.files.current?.id !== before;
        // Once the key is decided for, no KM is needed to come to it; before that, the old one holds.
        world.kmIsUp = !hasDecided;
        if (how !== "fails") {
          if (!alone || world.died === "master") world.master = world.startMaster();
          if (!alone || world.died === "slave") world.slave = world.startSlave();
        }
        if (hasDecided) {
          const id = world.a.files.current?.id;
          await world.master.round().catch(() => {});
          t.deepEqual([world.a.tunnel, world.b.tunnel], [id, id], `step ${step}, without a KM`);
          world.kmIsUp = true;
        } else {
          t.deepEqual([world.a.tunnel, world.b.tunnel], [before, before], `step ${step}`);
        }
        const next = await world.master.round();
        t.deepEqual(
          [world.a.tunnel, world.b.tunnel],
          next === undefined ? [world.a.tunnel, world.a.tunnel] : [next, next],
          `step ${step}`,
        );
      }
      t.true(tried >= 9, `${tried} steps`);
    });
  }
}

test("a slave that lost its keys is given a new one at once", async (t) => {
  const world = new World("fails");
  const first = await world.master.round();
  world.b.files = {};
  world.b.tunnel = undefined;
  world.slave = world.startSlave();
  const second = await world.master.round();
  t.truthy(second);
  t.not(second, first);
  t.deepEqual([world.a.tunnel, world.b.tunnel], [second, second]);
});

test("a tunnel that lost its key has it again with the next look, where that costs it nothing", async (t) => {
  for (const isRepeatable of [true, false]) {
    const world = new World("fails");
    world.isRepeatable = isRepeatable;
    const key = await world.master.round();
    world.a.tunnel = undefined;
    world.b.tunnel = undefined;
    t.is(await world.master.round(), undefined, "it is the same key");
    const wanted = isRepeatable ? [key, key] : [undefined, undefined];
    t.deepEqual([world.a.tunnel, world.b.tunnel], wanted);
  }
});
