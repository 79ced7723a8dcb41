/** "Get key" (§5.2) and what is asked for and given with it (§6.2, §6.3). */
import { Broken, NotApplicable } from "../run.ts";
import type { KmeCase } from "./case.ts";
import type { Answer } from "./http.ts";
import { type Kit, text } from "./kit.ts";

const get = (kit: Kit, query = "") =>
  kit.patient(kit.master, kit.path(kit.master, kit.slave.id, "enc_keys", query));

const post = (kit: Kit, body: object | string) =>
  kit.patient(kit.master, kit.path(kit.master, kit.slave.id, "enc_keys"), { body });

/** Keys, or a shortage: as much as this may not be in stock. */
function keysOrShort(kit: Kit, answer: Answer, what: string, number: number, bits: number): void {
  if (answer.status === 503) {
    throw new NotApplicable("not applicable, because so much key is not in stock (503)");
  }
  kit.keys(answer, what, number, bits);
}

/** A Key request that is not as the standard has it: id, what is wrong, the body, a fixed text. */
const wrong: readonly (readonly [string, string, object, string?])[] = [
  ["enc-number-0", "number 0", { number: 0 }],
  ["enc-number-negative", "number −1", { number: -1 }],
  ["enc-number-fraction", "number 1.5", { number: 1.5 }],
  ["enc-number-text", "number as a text", { number: "two" }],
  ["enc-number-huge", "number 10¹⁸", { number: 1e18 }],
  ["enc-size-0", "size 0", { size: 0 }],
  ["enc-size-negative", "size −8", { size: -8 }],
  ["enc-size-text", "size as a text", { size: "long" }],
  ["enc-size-odd", "a size that is no multiple of 8", { size: 257 }, text.size],
  [
    "enc-saes-text",
    "additional_slave_SAE_IDs with a number in it",
    { additional_slave_SAE_IDs: [7] },
  ],
];

export const encCases: readonly KmeCase[] = [
  {
    id: "enc-get",
    clause: "§5.2, §6.2 Table 9",
    title: "GET …/enc_keys without a query gives one key of key_size bits",
    async run(kit) {
      kit.keys(await get(kit), "GET enc_keys", 1, await kit.limit("key_size"));
    },
  },
  {
    id: "enc-get-query",
    clause: "§5.2",
    title: "GET …/enc_keys?number=2&size=… gives as many keys of that size",
    async run(kit) {
      const bits = await kit.limit("key_size");
      kit.keys(await get(kit, `?number=2&size=${bits}`), "GET enc_keys", 2, bits);
    },
  },
  {
    id: "enc-get-unknown",
    clause: "§5.2",
    title: "a parameter of the query that the standard does not know changes nothing",
    level: "should",
    async run(kit) {
      kit.keys(await get(kit, "?number=1&colour=red"), "GET enc_keys", 1);
    },
  },
  {
    id: "enc-get-wrong",
    clause: "§5.2, §6.5",
    title: "a number in the query that is none is refused",
    async run(kit) {
      for (const query of ["?number=two", "?number=-1", "?number=1.5", "?size=257"]) {
        const path = kit.path(kit.master, kit.slave.id, "enc_keys", query);
        kit.bad(await kit.ask(kit.master, path), `GET enc_keys${query}`);
      }
    },
  },
  {
    id: "enc-post-empty",
    clause: "§6.2",
    title: "POST …/enc_keys with an empty body gives one key of key_size bits",
    async run(kit) {
      kit.keys(await post(kit, ""), "POST enc_keys", 1, await kit.limit("key_size"));
    },
  },
  {
    id: "enc-post-none",
    clause: "§6.2",
    title: "the same of a POST that tells no length of a body at all",
    async run(kit) {
      const path = kit.path(kit.master, kit.slave.id, "enc_keys");
      const answer = await kit.patient(kit.master, path, { method: "POST" });
      kit.keys(answer, "POST enc_keys without a body", 1, await kit.limit("key_size"));
    },
  },
  {
    id: "enc-post-object",
    clause: "§6.2 Table 9",
    title: "the same of an object without members",
    async run(kit) {
      kit.keys(await post(kit, {}), "POST enc_keys", 1, await kit.limit("key_size"));
    },
  },
  {
    id: "enc-post",
    clause: "§5.2, §6.2 Table 9",
    title: "POST …/enc_keys with number and size gives as many keys of that size",
    async run(kit) {
      const bits = await kit.limit("key_size");
      kit.keys(await post(kit, { number: 3, size: bits }), "POST enc_keys", 3, bits);
    },
  },
  {
    id: "enc-null",
    clause: "§6.2 Table 9",
    title: "a member that is null is as one that is absent: all are optional",
    level: "should",
    async run(kit) {
      const none = { size: null, additional_slave_SAE_IDs: null, extension_mandatory: null };
      kit.keys(await post(kit, { number: null, ...none, extension_optional: null }), "null", 1);
    },
  },
  {
    id: "enc-unknown-member",
    clause: "§6.2",
    title: "a member that the standard does not know changes nothing",
    level: "should",
    async run(kit) {
      kit.keys(await post(kit, { number: 1, colour: { red: [1, "2"] } }), "POST enc_keys", 1);
    },
  },
  {
    id: "enc-ids",
    clause: "§6.3 Table 11",
    title: "key_IDs are UUIDs, and no key has the ID of another",
    async run(kit) {
      const ids = new Set<string>();
      for (let i = 0; i < 8; i++)
        for (const { id } of await kit.given(4)) ids.add(id.toLowerCase());
      if (ids.size < 32) throw new Broken(`32 keys have ${ids.size} IDs`);
    },
  },
  {
    id: "enc-unlike",
    clause: "§5.2",
    title: "no key is given twice: 32 keys over four connections at once are unlike",
    async run(kit) {
      const path = kit.path(kit.master, kit.slave.id, "enc_keys");
      const others = Array.from({ length: 4 }, () => ({ ...kit.master }));
      const answers = await Promise.all(
        others.flatMap((sae) => [kit.patient(sae, path, { body: { number: 8 } })]),
      );
      const keys = answers.flatMap((answer) => kit.keys(answer, "enc_keys", 8));
      if (new Set(keys.map(({ id }) => id)).size < 32) throw new Broken("an ID is there twice");
      if (new Set(keys.map(({ digest }) => digest)).size < 32) {
        throw new Broken("two keys are the same");
      }
    },
  },
  {
    id: "enc-base64",
    clause: "§6.3 Table 11, RFC 4648 §4",
    title: "keys are base64 with its padding, of sizes that need 0, 1 and 2 signs of it",
    async run(kit) {
      const usual = await kit.limit("key_size");
      const [least, most] = [await kit.limit("min_key_size"), await kit.limit("max_key_size")];
      const sizes = [usual, usual - 8, usual + 8].filter((one) => one >= least && one <= most);
      for (const size of sizes) kit.keys(await post(kit, { size }), `size ${size}`, 1, size);
      if (sizes.length < 3) kit.note("the KME has keys of one size only");
    },
  },
  {
    id: "enc-size-least",
    clause: "§6.1 Table 8",
    title: "a key of min_key_size bits is given",
    async run(kit) {
      const size = await kit.limit("min_key_size");
      keysOrShort(kit, await post(kit, { size }), `size ${size}`, 1, size);
    },
  },
  {
    id: "enc-size-most",
    clause: "§6.1 Table 8",
    title: "a key of max_key_size bits is given",
    async run(kit) {
      const size = await kit.limit("max_key_size");
      keysOrShort(kit, await post(kit, { size }), `size ${size}`, 1, size);
    },
  },
  {
    id: "enc-size-over",
    clause: "§6.1 Table 8",
    title: "a key over max_key_size or under min_key_size bits is refused",
    async run(kit) {
      const over = (await kit.limit("max_key_size")) + 8;
      kit.bad(await post(kit, { size: over }), `size ${over}`);
      const under = (await kit.limit("min_key_size")) - 8;
      if (under > 0) kit.bad(await post(kit, { size: under }), `size ${under}`);
    },
  },
  {
    id: "enc-number-most",
    clause: "§6.1 Table 8",
    title: "max_key_per_request keys are given with one request, or none of them",
    async run(kit) {
      const [number, size] = [await kit.limit("max_key_per_request"), await kit.limit("key_size")];
      keysOrShort(kit, await post(kit, { number }), `number ${number}`, number, size);
    },
  },
  {
    id: "enc-number-over",
    clause: "§6.1 Table 8",
    title: "more than max_key_per_request keys are refused",
    async run(kit) {
      const number = (await kit.limit("max_key_per_request")) + 1;
      kit.bad(await post(kit, { number }), `number ${number}`);
      const path = kit.path(kit.master, kit.slave.id, "enc_keys", `?number=${number}`);
      kit.bad(await kit.ask(kit.master, path), `GET number=${number}`);
    },
  },
  ...wrong.map(
    ([id, what, body, fixed]): KmeCase => ({
      id,
      clause: fixed === undefined ? "§6.2 Table 9, §6.5" : "§6.2 Table 9",
      title: `${what} is refused${fixed === undefined ? "" : ` by "${fixed}"`}`,
      async run(kit) {
        const path = kit.path(kit.master, kit.slave.id, "enc_keys");
        kit.bad(await kit.ask(kit.master, path, { body }), what, fixed);
      },
    }),
  ),
];
