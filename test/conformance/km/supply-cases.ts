/** One key at a time: what is taken, what is a repeat, what is refused. */
import { Broken } from "../run.ts";
import type { KmCase } from "./case.ts";
import { changed } from "./target.ts";

/** Bits in a key as long as a node cuts them. */
const longest = 376_000;

export const supplyCases: readonly KmCase[] = [
  {
    id: "supply",
    title: "a key as a node sends it is answered success, and the answer names it",
    async run(kit) {
      const client = await kit.open();
      for (const key of kit.keys(3)) {
        const said = await client.supply(kit.payload(key));
        kit.success(said);
        if (said.keyId === undefined) kit.note("the answer has no key_ID");
        else if (said.keyId !== key.id) throw new Broken("the answer names another key_ID");
      }
    },
  },
  ...(
    [
      ["without-time", "generation_timestamp", "a module without a clock has none"],
      ["without-hash", "hash_value", "it is optional in Table 1"],
      ["without-extension", "extension", "it is optional in Table 1"],
    ] as const
  ).map(
    ([id, name, why]): KmCase => ({
      id,
      title: `a key without ${name} is taken: ${why}`,
      async run(kit) {
        await kit.taken(await kit.open(), kit.key(), undefined, { [name]: undefined });
      },
    }),
  ),
  {
    id: "without-qber",
    title: "a key whose QBER was not measured is taken",
    async run(kit) {
      const extension = [{ sequence: 0 }];
      await kit.taken(await kit.open(), kit.key(), undefined, { extension });
    },
  },
  {
    id: "other-order",
    title: "members may come in any order, with spaces between them",
    async run(kit) {
      const key = kit.key();
      const all: Record<string, unknown> = JSON.parse(kit.payload(key).toString());
      const turned = Object.fromEntries(Object.entries(all).reverse());
      const body = Buffer.from(JSON.stringify(turned, undefined, 2));
      kit.success(await (await kit.open()).supply(body));
    },
  },
  {
    id: "unknown-members",
    title: "members of a later edition are passed over",
    level: "should",
    async run(kit) {
      await kit.taken(await kit.open(), kit.key(), "with a member that is not in Table 1", {
        later_edition: { more: [1, "two", null] },
        extension: [{ qber: 0.01 }, { something_else: "x" }, { sequence: 7 }],
      });
    },
  },
  {
    id: "far-times",
    title: "a generation_timestamp of 1970 or of 2286 is taken: a module's clock may be wrong",
    async run(kit) {
      const client = await kit.open();
      for (const at of ["1970-01-01T00:00:00.000Z", "2286-11-20T17:46:40.000Z"]) {
        await kit.taken(client, kit.key(), `stamped ${at}`, { generation_timestamp: at });
      }
    },
  },
  {
    id: "odd-lengths",
    title: "keys of any number of bits are taken, or refused as a length and not as a fault",
    async run(kit) {
      const client = await kit.open();
      const unsupported: number[] = [];
      for (const bits of [1, 7, 8, 9, 31, 33, 255, 257, 1_000, 12_345]) {
        const said = await client.supply(kit.payload(kit.key(bits)));
        if (said.word === "key_length_unsupported") unsupported.push(bits);
        else kit.success(said, `${bits} bits`);
      }
      if (unsupported.length > 0) {
        kit.note(
          `not supported: ${unsupported.join(", ")} bits. A node sends the end of a block, of any length`,
        );
      }
    },
  },
  {
    id: "long-key",
    title: "the longest key that a node cuts (376,000 bits) is taken, or refused as a length",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key(longest);
      const said = await client.supply(kit.payload(key));
      if (said.word === "key_length_unsupported") {
        kit.note("not supported: set module.key_bits at the nodes to what the KM takes");
        return;
      }
      kit.success(said, "376,000 bits");
      const other = await client.supply(kit.payload(changed(key, longest - 1)));
      kit.refused(other, "the same with another last bit", ["duplicate_key_ID"]);
    },
  },
  {
    id: "repeat",
    title: "the same key again is a success, however often",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key();
      for (const time of ["first", "second", "third", "fourth"]) {
        await kit.taken(client, key, `the ${time} time`);
      }
    },
  },
  {
    id: "repeat-elsewhere",
    title: "the same key again over another connection is a success",
    async run(kit) {
      const key = kit.key();
      await kit.taken(await kit.open(), key);
      const second = await kit.open();
      await kit.taken(second, key, "over another connection");
    },
  },
  {
    id: "repeat-facts",
    title: "the same key again with other facts (time, QBER, no hash) is a success",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key();
      await kit.taken(client, key);
      await kit.taken(client, key, "with another time and QBER", {
        generation_timestamp: "2001-01-01T00:00:00.000Z",
        extension: [{ qber: 0.5 }],
      });
      await kit.taken(client, key, "without its hash", { hash_value: undefined });
    },
  },
  {
    id: "repeat-at-once",
    title: "the same key several times at once is a success each time, and is stored once",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key();
      const said = await client.supplyAll(Array.from({ length: 5 }, () => kit.payload(key)));
      for (const [i, one] of said.entries()) kit.success(one, `copy ${i + 1} of 5`);
      await kit.holds(client, key, "a key that came five times at once");
    },
  },
  {
    id: "repeat-race",
    title: "the same key at the same moment over two connections is a success on both",
    async run(kit) {
      const [one, two] = await Promise.all([kit.open(1), kit.open(1)]);
      for (const key of kit.keys(20)) {
        const body = kit.payload(key);
        const said = await Promise.all([one.supply(body), two.supply(Buffer.from(body))]);
        for (const answer of said) kit.success(answer, "a key over two connections at once");
      }
    },
  },
  {
    id: "conflict",
    title: "other bytes under an ID that is held are refused as duplicate_key_ID",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key();
      await kit.taken(client, key);
      for (const bit of [0, 100, 255]) {
        const said = await client.supply(kit.payload(changed(key, bit)));
        kit.refused(said, `the key with its bit ${bit} changed`, ["duplicate_key_ID"]);
      }
    },
  },
  {
    id: "conflict-length",
    title: "the beginning of a key that is held, and a longer one, are other keys under its ID",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key(256);
      await kit.taken(client, key);
      const short = { ...key, bits: 128, bytes: key.bytes.subarray(0, 16) };
      const long = { ...key, bits: 264, bytes: Buffer.concat([key.bytes, Buffer.alloc(1)]) };
      for (const [other, what] of [
        [short, "the first half of the key"],
        [long, "the key with 8 bits more"],
      ] as const) {
        const said = await client.supply(kit.payload(other));
        kit.refused(said, what, ["duplicate_key_ID", "key_length_unsupported"]);
      }
    },
  },
  {
    id: "conflict-kept",
    title: "after such a refusal the KM holds what it had, and not the newer",
    async run(kit) {
      const client = await kit.open();
      const key = kit.key();
      const other = changed(key, 77);
      await kit.taken(client, key);
      kit.refused(await client.supply(kit.payload(other)), "other bytes", ["duplicate_key_ID"]);
      await kit.taken(client, key, "the first key again");
      kit.refused(await client.supply(kit.payload(other)), "other bytes", ["duplicate_key_ID"]);
    },
  },
];
