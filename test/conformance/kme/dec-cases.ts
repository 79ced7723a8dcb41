/** "Get key with key IDs" (§5.3, §6.4). */
import { randomUUID } from "node:crypto";
import { Broken, NotApplicable } from "../run.ts";
import type { KmeCase } from "./case.ts";
import { type HeldKey, type Kit, same, text } from "./kit.ts";

const idsOf = (keys: readonly HeldKey[]) => keys.map(({ id }) => id);

const get = (kit: Kit, query: string) =>
  kit.patient(kit.slave, kit.path(kit.slave, kit.master.id, "dec_keys", query));

const post = (kit: Kit, body: object | string) =>
  kit.patient(kit.slave, kit.path(kit.slave, kit.master.id, "dec_keys"), { body });

/** A Key IDs container that is not as the standard has it. */
const wrong: readonly (readonly [string, string, unknown])[] = [
  ["dec-none", "no key_IDs", {}],
  ["dec-empty", "empty key_IDs", { key_IDs: [] }],
  ["dec-no-array", "key_IDs that is no array", { key_IDs: "7" }],
  ["dec-texts", "key_IDs of texts in place of objects", { key_IDs: [randomUUID()] }],
  ["dec-no-id", "an element without key_ID", { key_IDs: [{}] }],
  ["dec-id-number", "a key_ID that is a number", { key_IDs: [{ key_ID: 7 }] }],
  ["dec-id-text", "a key_ID that is no UUID", { key_IDs: [{ key_ID: "the first" }] }],
];

export const decCases: readonly KmeCase[] = [
  {
    id: "dec-post",
    clause: "§5.3",
    title: "POST …/dec_keys with key_IDs gives the slave the master's keys",
    async run(kit) {
      await kit.fetched(await kit.given(3), "POST dec_keys");
    },
  },
  {
    id: "dec-get",
    clause: "§5.3",
    title: "GET …/dec_keys?key_ID=… gives the slave the master's key",
    async run(kit) {
      const keys = await kit.given();
      same(
        kit.keys(await get(kit, `?key_ID=${keys[0]?.id}`), "GET dec_keys"),
        keys,
        "GET dec_keys",
      );
    },
  },
  {
    id: "dec-both-ways",
    clause: "§5.2, §5.3",
    title: "the SAE of the other KME may be the master: keys flow in both directions",
    async run(kit) {
      const keys = kit.keys(await kit.enc(kit.slave, kit.master, { number: 2 }), "enc_keys", 2);
      await kit.fetched(keys, "dec_keys", kit.master, kit.slave);
    },
  },
  {
    id: "dec-sizes",
    clause: "§5.3",
    title: "keys of other sizes than key_size are the same at both ends",
    async run(kit) {
      const [least, usual] = [await kit.limit("min_key_size"), await kit.limit("key_size")];
      const most = await kit.limit("max_key_size");
      for (const size of new Set([least, Math.min(most, usual + 8), Math.min(most, usual * 2)])) {
        await kit.fetched(await kit.given(1, { size }), `dec_keys of ${size} bits`);
      }
    },
  },
  {
    id: "dec-order",
    clause: "§5.3",
    title: "keys may be asked for in another order and some of them only",
    async run(kit) {
      const [a, b, c] = (await kit.given(3)) as [HeldKey, HeldKey, HeldKey];
      await kit.fetched([c, a], "two of three, the last first");
      await kit.fetched([b], "the third of them");
    },
  },
  {
    id: "dec-once",
    clause: "§5.3, §6.5",
    title: `a key is given to the slave once: then "${text.notFound}"`,
    async run(kit) {
      const keys = await kit.given();
      await kit.fetched(keys, "dec_keys");
      kit.bad(await kit.dec(kit.slave, kit.master, idsOf(keys)), "dec_keys again", text.notFound);
      const again = await get(kit, `?key_ID=${keys[0]?.id}`);
      kit.bad(again, "GET dec_keys again", text.notFound);
    },
  },
  {
    id: "dec-unknown",
    clause: "§6.5",
    title: `a key_ID that no key has is refused by "${text.notFound}"`,
    async run(kit) {
      kit.bad(
        await post(kit, { key_IDs: [{ key_ID: randomUUID() }] }),
        "an unknown key",
        text.notFound,
      );
      kit.bad(await get(kit, `?key_ID=${randomUUID()}`), "an unknown key by GET", text.notFound);
    },
  },
  {
    id: "dec-atomic",
    clause: "§5.3",
    title: "with one key_ID that no key has nothing is given, and none of the others is lost",
    level: "should",
    async run(kit) {
      const keys = await kit.given(2);
      const ids = idsOf(keys);
      const answer = await kit.dec(kit.slave, kit.master, [
        ids[0] ?? "",
        randomUUID(),
        ids[1] ?? "",
      ]);
      kit.bad(answer, "one of three is unknown", text.notFound);
      await kit.fetched(keys, "the two that there are");
    },
  },
  {
    id: "dec-atomic-taken",
    clause: "§5.3",
    title: "with one key that was fetched before nothing is given, and none of the others is lost",
    level: "should",
    async run(kit) {
      const [a, b] = (await kit.given(2)) as [HeldKey, HeldKey];
      await kit.fetched([a], "the first");
      const answer = await kit.dec(kit.slave, kit.master, [a.id, b.id]);
      kit.bad(answer, "one of two was fetched", text.notFound);
      await kit.fetched([b], "the second");
    },
  },
  {
    id: "dec-id-twice",
    clause: "§6.4",
    title: "a key_ID that is there twice gives no second key, and costs none",
    level: "should",
    async run(kit) {
      const keys = await kit.given();
      const [id = ""] = idsOf(keys);
      const answer = await kit.dec(kit.slave, kit.master, [id, id]);
      if (answer.status === 200) same(kit.keys(answer, "the same ID twice"), keys, "twice");
      else {
        kit.bad(answer, "the same ID twice");
        await kit.fetched(keys, "the key after it");
      }
    },
  },
  {
    id: "dec-race",
    clause: "§5.3",
    title: "of four requests for one key at once one gets it",
    async run(kit) {
      const keys = await kit.given();
      const saes = Array.from({ length: 4 }, () => ({ ...kit.slave }));
      // Connected before: handshakes take longer than requests.
      await Promise.all(saes.map((sae) => kit.status(sae, kit.master)));
      const answers = await Promise.all(saes.map((sae) => kit.dec(sae, kit.master, idsOf(keys))));
      const won = answers.filter(({ status }) => status === 200);
      if (won.length !== 1) throw new Broken(`${won.length} of four got it`);
    },
  },
  {
    id: "dec-other",
    clause: "§5.3, 401",
    title: "a key for another SAE is refused by 401 without a body, and the key stays",
    needs: "third",
    async run(kit) {
      const keys = await kit.given();
      kit.unauthorized(
        await kit.dec(kit.third, kit.master, idsOf(keys)),
        "dec_keys of another SAE",
      );
      await kit.fetched(keys, "dec_keys of the right SAE after it");
    },
  },
  {
    id: "dec-master",
    clause: "§5.3",
    title: "who was given a key as master does not get it again as slave",
    async run(kit) {
      const keys = await kit.given();
      const answer = await kit.dec(kit.master, kit.slave, idsOf(keys));
      kit.is(answer, [400, 401, 403, 404], "dec_keys of the master");
      await kit.fetched(keys, "dec_keys of the slave after it");
    },
  },
  {
    id: "dec-upper-case",
    clause: "§6.4, RFC 9562 §4",
    title: "a key_ID in capitals is the same UUID",
    level: "should",
    async run(kit) {
      const keys = await kit.given();
      const upper = keys.map((key) => ({ ...key, id: key.id.toUpperCase() }));
      await kit.fetched(upper, "a key_ID in capitals");
    },
  },
  {
    id: "dec-master-member",
    clause: "§6.4 Table 14",
    title: "a member of an element that the standard does not know changes nothing",
    level: "should",
    async run(kit) {
      const keys = await kit.given(2);
      const key_IDs = idsOf(keys).map((key_ID) => ({ key_ID, master_SAE_ID: kit.master.id }));
      same(kit.keys(await post(kit, { key_IDs }), "dec_keys"), keys, "master_SAE_ID in an element");
    },
  },
  {
    id: "dec-extensions",
    clause: "§6.4 Table 14",
    title: "key_ID_extension and key_IDs_extension are reserved: an object in them changes nothing",
    async run(kit) {
      const keys = await kit.given(2);
      const key_IDs = idsOf(keys).map((key_ID) => ({ key_ID, key_ID_extension: { a: 1 } }));
      const answer = await post(kit, { key_IDs, key_IDs_extension: { b: [2] } });
      same(kit.keys(answer, "dec_keys"), keys, "extensions");
    },
  },
  {
    id: "dec-most",
    clause: "§6.1 Table 8",
    title: "max_key_per_request keys are fetched with one request",
    async run(kit) {
      const number = Math.min(256, await kit.limit("max_key_per_request"));
      const answer = await kit.enc(kit.master, kit.slave, { number });
      if (answer.status === 503) throw new NotApplicable("not applicable, because stock is short");
      await kit.fetched(kit.keys(answer, "enc_keys", number), `${number} keys`);
    },
  },
  {
    id: "dec-over",
    clause: "§6.1 Table 8",
    title: "more key_IDs than max_key_per_request are refused",
    level: "should",
    async run(kit) {
      const number = (await kit.limit("max_key_per_request")) + 1;
      const key_IDs = Array.from({ length: Math.min(number, 10_000) }, () => ({
        key_ID: randomUUID(),
      }));
      kit.is(await post(kit, { key_IDs }), [400, 404, 413, 422], `${number} key_IDs`);
    },
  },
  {
    id: "dec-get-wrong",
    clause: "§5.3",
    title: "GET …/dec_keys without a key_ID, or with one that is no UUID, is refused",
    async run(kit) {
      for (const query of ["", "?key_ID=", "?key_ID=7", "?keyid=7"]) {
        kit.bad(await get(kit, query), `GET dec_keys${query}`);
      }
    },
  },
  ...wrong.map(
    ([id, what, body]): KmeCase => ({
      id,
      clause: "§6.4 Table 14",
      title: `${what} is refused`,
      async run(kit) {
        const fixed = /UUID/.test(what) ? text.notFound : undefined;
        const answer = await post(kit, body as object);
        // A KME may take any text as an ID, and not find it.
        if (fixed !== undefined && answer.status !== 400) kit.bad(answer, what, fixed);
        else kit.bad(answer, what);
      },
    }),
  ),
];
