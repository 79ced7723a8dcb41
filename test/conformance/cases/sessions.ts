/** Sessions begin, end and begin again, in order and not. */

import { Fault } from "../../../src/base/errors.ts";
import { eventually } from "../../eventually.ts";
import type { Made } from "../specimen.ts";
import {
  assertIntact,
  type Case,
  distil,
  leavesNothingOpen,
  names,
  plenty,
  rejected,
} from "./case.ts";

/** A module that was away may be asked again as late as after a minute, each time that it was. */
const askedAgainMs = 120_000;

export const sessionCases: readonly Case[] = [
  {
    title: "a pulled cable ends the session with a fault, and loses nothing",
    needs: ["unplug"],
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 800_000, 256]);
      for (const before of [0, 1, 3]) {
        const session = await seen.connect();
        const had = seen.blocks.length;
        session.grant(plenty.blocks, plenty.bytes);
        await eventually("blocks", () => seen.blocks.length, {
          atLeast: had + before,
          deadlineMs: askedAgainMs,
        });
        await module.unplug();
        const fault = await session.ended;
        t.true(fault instanceof Fault && fault.code.startsWith("link."), String(fault));
        await session.close();
        t.true((await rejected(seen.connect())) instanceof Fault);
        await module.plug();
      }
      const session = await seen.connect();
      const had = seen.blocks.length;
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, {
        is: had + made.length,
        deadlineMs: askedAgainMs,
      });
      t.deepEqual(seen.names().slice(had), names(made));
      assertIntact(t, seen, made);
    },
  },
  {
    title: "a module that is reset loses nothing",
    needs: ["restart"],
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 800_000, 256]);
      const session = await seen.connect();
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { atLeast: 1 });
      await module.restart();
      // It may be noticed or not; what is certain is a new session.
      await session.close();
      const again = await seen.connect();
      const had = seen.blocks.length;
      again.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { is: had + made.length });
      t.deepEqual(seen.names().slice(had), names(made));
      assertIntact(t, seen, made);
    },
  },
  {
    title: "connecting can be called off, and leaves nothing open",
    body: async (t, _module, seen) => {
      const session = await seen.connect();
      await session.close();
      await leavesNothingOpen(async () => {
        t.true((await rejected(seen.connect(AbortSignal.abort()))) instanceof Fault);
        for (let i = 0; i < 10; i++) {
          const stop = new AbortController();
          const connecting = seen.connect(stop.signal);
          queueMicrotask(() => stop.abort());
          await connecting
            .then((one) => one.close())
            .catch((error) => t.true(error instanceof Fault));
        }
      });
    },
  },
  {
    title: "sessions come and go without a descriptor left behind",
    body: async (t, module, seen) => {
      await distil(module, [256, 80_000]);
      await leavesNothingOpen(async () => {
        for (let i = 0; i < 20; i++) {
          const session = await seen.connect();
          if (i % 2 === 0) session.grant(plenty.blocks, plenty.bytes);
          await Promise.all([session.close(), session.close()]);
          t.is(await session.ended, undefined);
        }
      });
    },
  },
  {
    title: "a session that is over takes every call and does nothing",
    body: async (t, module, seen) => {
      const made = await distil(module, [256]);
      const session = await seen.connect();
      await session.close();
      session.grant(1, 1_000);
      session.release([made[0]?.facts.ref as Made["facts"]["ref"]]);
      session.read([]);
      t.true((await rejected(session.command({ name: "start" }))) instanceof Fault);
      t.deepEqual(await module.held(), names(made));
      t.is(seen.blocks.length, 0);
    },
  },
  {
    title: "the module tells who it is, also when another takes its place",
    needs: ["identity"],
    body: async (t, module, seen) => {
      const session = await seen.connect();
      const { identity } = session;
      t.regex(identity.moduleId, /^.{1,128}$/);
      t.true(["alice", "bob"].includes(identity.role));
      t.true(identity.maxBlockBytes >= 1);
      t.regex(identity.protocol, /\w/);
      await session.close();
      await module.identity("QKD-X-9999");
      seen.restarted();
      const other = await seen.connect();
      t.is(other.identity.moduleId, "QKD-X-9999");
    },
  },
];
