/** Whose a block is: offered by credit, kept until released, repeated until then. */
import { eventually } from "../../eventually.ts";
import type { Made } from "../specimen.ts";
import { assertIntact, type Case, distil, lengths, names, plenty } from "./case.ts";

export const custodyCases: readonly Case[] = [
  {
    title: "blocks come whole, oldest first, with what is known of them",
    body: async (t, module, seen) => {
      const made = await distil(module, lengths);
      const session = await seen.connect();
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { atLeast: made.length });
      t.deepEqual(seen.names(), names(made));
      assertIntact(t, seen, made);
      t.deepEqual(await module.held(), names(made), "the module holds what was not released");
    },
  },
  {
    title: "blocks distilled during a session come too",
    body: async (t, module, seen) => {
      const made = await distil(module, [256]);
      const session = await seen.connect();
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { is: 1 });
      made.push(...(await distil(module, [512, 1_024])));
      await eventually("blocks", () => seen.blocks.length, { is: 3 });
      t.deepEqual(seen.names(), names(made));
      assertIntact(t, seen, made);
    },
  },
  {
    title: "nothing is offered without credit, nor beyond it",
    body: async (t, module, seen) => {
      const made = await distil(module, [800, 800, 800, 800, 800, 800]);
      const refs = made.map(({ facts }) => facts.ref);
      const session = await seen.connect();
      // What is confirmed shows that all before it has had its time to come.
      const settled = async (index: number) => {
        session.release([refs[index] as (typeof refs)[0]]);
        await eventually("answers to releases", () => seen.released.length, { is: index + 1 });
        return seen.blocks.length;
      };
      session.grant(2, 1_000);
      await eventually("blocks", () => seen.blocks.length, { is: 2 });
      t.is(await settled(0), 2, "blocks of the credit");
      session.grant(2, 0);
      await eventually("blocks", () => seen.blocks.length, { is: 4 });
      t.is(await settled(1), 4);
      session.grant(0, 10_000);
      t.is(await settled(2), 4, "bytes alone are no credit");
      session.grant(1, 0);
      await eventually("blocks", () => seen.blocks.length, { is: 5 });
      t.is(await settled(3), 5);
      assertIntact(t, seen, made);
    },
  },
  {
    title: "bytes that do not suffice hold a block back",
    body: async (t, module, seen) => {
      const made = await distil(module, [800, 800, 800]);
      const session = await seen.connect();
      session.grant(100, 299);
      await eventually("blocks", () => seen.blocks.length, { is: 2 });
      session.release([made[0]?.facts.ref as Made["facts"]["ref"]]);
      await eventually("answers to releases", () => seen.released.length, { is: 1 });
      t.is(seen.blocks.length, 2);
      session.grant(0, 1);
      await eventually("blocks", () => seen.blocks.length, { is: 3 });
      t.pass();
    },
  },
  {
    title: "many blocks pass in small credit, each once",
    body: async (t, module, seen) => {
      const made = await distil(module, Array(150).fill(256));
      const session = await seen.connect();
      seen.onBlock = (block) => {
        session.release([block.ref]);
        session.grant(1, block.byteLength);
      };
      session.grant(4, 128);
      await eventually("answers to releases", () => seen.released.length, { is: made.length });
      t.deepEqual(seen.names(), names(made));
      t.deepEqual(await module.held(), []);
    },
  },
  {
    title: "what is not released is offered again, the same, for ever",
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 12_345, 0, 1_000]);
      for (let session = 1; session <= 3; session++) {
        const one = await seen.connect();
        one.grant(plenty.blocks, plenty.bytes);
        await eventually("blocks", () => seen.blocks.length, { is: session * made.length });
        await one.close();
        t.is(await one.ended, undefined);
        seen.restarted();
      }
      t.deepEqual(seen.names(), [...names(made), ...names(made), ...names(made)]);
      assertIntact(t, seen, made);
    },
  },
  {
    title: "release takes what it names and nothing else",
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 256, 0, 256]);
      const [first, second, third] = made.map(({ facts }) => facts.ref);
      const session = await seen.connect();
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { is: 4 });
      session.release([second, third] as Made["facts"]["ref"][]);
      await eventually("answers to releases", () => seen.released.length, { is: 2 });
      t.deepEqual(await module.held(), [names(made)[0], names(made)[3]] as string[]);
      await session.close();
      const again = await seen.connect();
      again.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { is: 6 });
      t.deepEqual(seen.names().slice(4), [names(made)[0], names(made)[3]] as string[]);
      again.release([first] as Made["facts"]["ref"][]);
      await eventually("answers to releases", () => seen.released.length, { is: 3 });
      t.deepEqual(await module.held(), [names(made)[3]] as string[]);
    },
  },
  {
    title: "release is idempotent, also of what was never there",
    needs: ["unread"],
    body: async (t, module, seen) => {
      const made = await distil(module, [256]);
      const ref = made[0]?.facts.ref as Made["facts"]["ref"];
      const unknown = { epoch: ref.epoch, number: ref.number + 1_000 };
      const session = await seen.connect();
      session.release([ref]);
      session.release([ref, unknown]);
      await eventually("answers to releases", () => seen.released.length, { is: 3 });
      await session.close();
      const again = await seen.connect();
      again.release([ref]);
      await eventually("answers to releases", () => seen.released.length, { is: 4 });
      t.deepEqual(await module.held(), []);
    },
  },
  {
    title: "release of what was offered is idempotent",
    body: async (t, module, seen) => {
      const made = await distil(module, [256]);
      const ref = made[0]?.facts.ref as Made["facts"]["ref"];
      const unknown = { epoch: ref.epoch, number: ref.number + 1_000 };
      const session = await seen.connect();
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { is: 1 });
      session.release([ref]);
      session.release([ref, unknown]);
      await eventually("answers to releases", () => seen.released.length, { is: 3 });
      await session.close();
      const again = await seen.connect();
      again.release([ref]);
      await eventually("answers to releases", () => seen.released.length, { is: 4 });
      t.deepEqual(await module.held(), []);
    },
  },
  {
    title: "discard destroys a block, read or not",
    needs: ["discard", "unread"],
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 256, 256]);
      const session = await seen.connect();
      session.grant(1, 100);
      await eventually("blocks", () => seen.blocks.length, { is: 1 });
      session.discard([0, 2].map((i) => made[i]?.facts.ref as Made["facts"]["ref"]));
      await eventually("answers to releases", () => seen.released.length, { is: 2 });
      t.deepEqual(await module.held(), [names(made)[1] as string]);
    },
  },
  {
    title: "what was offered is destroyed by discard",
    needs: ["discard"],
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 256, 256]);
      const session = await seen.connect();
      session.grant(3, 100);
      await eventually("blocks", () => seen.blocks.length, { is: 3 });
      session.discard([0, 2].map((i) => made[i]?.facts.ref as Made["facts"]["ref"]));
      await eventually("answers to releases", () => seen.released.length, { is: 2 });
      t.deepEqual(await module.held(), [names(made)[1] as string]);
    },
  },
  {
    title: "read offers a held block again, as far as credit goes",
    needs: ["read"],
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 512]);
      const [first, second] = made.map(({ facts }) => facts.ref) as [
        Made["facts"]["ref"],
        Made["facts"]["ref"],
      ];
      const session = await seen.connect();
      session.grant(2, 1_000);
      await eventually("blocks", () => seen.blocks.length, { is: 2 });
      session.read([second, { epoch: first.epoch, number: first.number + 1_000 }]);
      session.release([first]);
      await eventually("answers to releases", () => seen.released.length, { is: 1 });
      t.is(seen.blocks.length, 2);
      session.grant(1, 0);
      await eventually("blocks", () => seen.blocks.length, { is: 3 });
      t.is(seen.names()[2], names(made)[1]);
      assertIntact(t, seen, made);
    },
  },
  {
    title: "a block's bytes are in memory of its own, and wiping ends there",
    body: async (t, module, seen) => {
      const made = await distil(module, [256, 256]);
      const session = await seen.connect();
      session.grant(plenty.blocks, plenty.bytes);
      await eventually("blocks", () => seen.blocks.length, { is: 2 });
      const [one, two] = seen.blocks;
      t.is(one?.expose().buffer.byteLength, 32, "not from a pool");
      one?.wipe();
      t.true(made[1]?.bytes.equals(two?.expose() as Uint8Array));
    },
  },
];
