/** What a module is told to do, what it tells, and what no module should send. */

import { Fault } from "../../../src/base/errors.ts";
import { blockName } from "../../../src/port/key.ts";
import { figures } from "../../../src/port/telemetry.ts";
import { eventually } from "../../eventually.ts";
import { assertIntact, type Case, distil, names, plenty } from "./case.ts";

export const controlCases: readonly Case[] = [
  {
    title: "zeroize destroys every block in the module",
    needs: ["zeroize"],
    body: async (t, module, seen) => {
      await distil(module, [256, 4_096]);
      const session = await seen.connect();
      await session.command({ name: "zeroize" });
      t.deepEqual(await module.held(), []);
    },
  },
  {
    title: "start and stop are carried out",
    needs: ["start"],
    body: async (t, _module, seen) => {
      const session = await seen.connect();
      await session.command({ name: "stop" });
      await session.command({ name: "start" });
      t.pass();
    },
  },
  {
    title: "telemetry has known figures, in their ranges, at the interval asked for",
    needs: ["telemetry"],
    body: async (t, module, seen) => {
      await distil(module, [4_096]);
      const session = await seen.connect();
      await session.command({ name: "telemetry_interval", ms: 100 });
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("samples", () => seen.samples.length, { atLeast: 3 });
      for (const { values } of seen.samples) {
        for (const [name, value] of Object.entries(values)) {
          const spec = figures[name as keyof typeof figures];
          t.truthy(spec, name);
          for (const one of [value].flat()) t.true(one >= spec.min && one <= spec.max, name);
        }
      }
    },
  },
  {
    title: "whatever the module sends, no bad key comes of it and none is lost",
    needs: ["malformations"],
    body: async (t, module, seen) => {
      t.true(module.malformations.length > 0);
      for (const { name, inject } of module.malformations) {
        const made = await distil(module, [256]);
        const session = await seen.connect();
        // The least that opens a session and gets no block.
        session.grant(1, 1);
        await inject();
        session.grant(plenty.blocks, plenty.bytes);
        const had = () => seen.blocks.some((block) => blockName(block.ref) === names(made)[0]);
        let over = false;
        void session.ended.then((error) => {
          over = true;
          if (error !== undefined) t.true(error instanceof Fault, name);
        });
        await eventually("the command is over", () => over || had());
        const outcome = over ? "ends the session" : "does no harm";
        await session.close();
        const again = await seen.connect();
        again.grant(plenty.blocks, plenty.bytes);
        await eventually("what it does", had);
        assertIntact(t, seen, made);
        again.release(made.map(({ facts }) => facts.ref));
        const count = seen.released.length;
        await eventually("answers to releases", () => seen.released.length, { atLeast: count + 1 });
        await again.close();
        seen.forget();
        t.log(`${name} ${outcome}`);
      }
    },
  },
];
