/** Bodies that are no JSON, or more than one thing at once (RFC 8259). */
import type { KmeCase } from "./case.ts";
import { type Kit, same } from "./kit.ts";

/** A body, and what is wrong with it; each is tried at both methods that have one. */
const wrong: readonly (readonly [string, string, Buffer | string])[] = [
  ["json-cut", "JSON that is cut off", '{"number": 1'],
  ["json-text", "text that is no JSON", "number=1"],
  ["json-single-quotes", "JSON with single quotes", "{'number': 1}"],
  ["json-comma", "JSON with a comma too many", '{"number": 1,}'],
  ["json-more", "JSON with more behind it", '{"number": 1}{"number": 1}'],
  ["json-nan", "a number that JSON does not have", '{"number": NaN}'],
  ["json-array", "an array", "[1]"],
  ["json-null", "null", "null"],
  ["json-number", "a number", "7"],
  ["json-control", "a control character in a text", '{"a": "\u0001"}'],
  ["json-utf8", "bytes that are not UTF-8", Buffer.from('{"a": "\xff\xfe"}', "latin1")],
  ["json-utf16", "UTF-16", Buffer.from('\ufeff{"number": 1}', "utf16le")],
];

const at = (kit: Kit, method: "enc_keys" | "dec_keys") =>
  method === "enc_keys"
    ? ([kit.master, kit.path(kit.master, kit.slave.id, method)] as const)
    : ([kit.slave, kit.path(kit.slave, kit.master.id, method)] as const);

export const jsonCases: readonly KmeCase[] = [
  ...wrong.map(
    ([id, what, body]): KmeCase => ({
      id,
      clause: "§5, RFC 8259",
      title: `a body of ${what} is refused, and the KME goes on`,
      async run(kit) {
        for (const method of ["enc_keys", "dec_keys"] as const) {
          const [sae, path] = at(kit, method);
          kit.bad(await kit.ask(sae, path, { body }), `${method} with ${what}`);
        }
        kit.keys(await kit.enc(kit.master, kit.slave), "enc_keys after it", 1);
      },
    }),
  ),
  {
    id: "json-twice",
    clause: "RFC 8259 §4",
    title: "a member that is there twice is refused: which of them counts is not defined",
    level: "should",
    async run(kit) {
      const [sae, path] = at(kit, "enc_keys");
      for (const body of ['{"number": 1, "number": 2}', '{"number": 1, "\\u006eumber": 2}']) {
        kit.bad(await kit.ask(sae, path, { body }), body);
      }
    },
  },
  {
    id: "json-twice-ids",
    clause: "RFC 8259 §4",
    title: "also in an element of key_IDs; and no key is lost",
    level: "should",
    async run(kit) {
      const keys = await kit.given(2);
      const [a = "", b = ""] = keys.map(({ id }) => id);
      const [sae, path] = at(kit, "dec_keys");
      const body = `{"key_IDs": [{"key_ID": "${a}", "key_ID": "${b}"}]}`;
      kit.bad(await kit.ask(sae, path, { body }), "key_ID twice in an element");
      await kit.fetched(keys, "both keys after it");
    },
  },
  {
    id: "json-deep",
    clause: "RFC 8259 §9",
    title: "arrays 5,000 deep are refused or ignored, and the KME goes on",
    async run(kit) {
      const [sae, path] = at(kit, "enc_keys");
      const body = `{"a": ${"[".repeat(5_000)}${"]".repeat(5_000)}}`;
      kit.is(await kit.ask(sae, path, { body }), [200, 400, 413, 422], "a deep body");
      await kit.alive("after it");
    },
  },
  {
    id: "json-space",
    clause: "RFC 8259 §2",
    title: "white space, members in another order, escapes and a number as 2e0 are JSON too",
    async run(kit) {
      const [sae, path] = at(kit, "enc_keys");
      const size = await kit.limit("key_size");
      const body = `\r\n\t { "size" : ${size} ,\n"\\u006eumber"\t: 2e0 } \n`;
      kit.keys(await kit.patient(sae, path, { body }), "JSON in another style", 2, size);
    },
  },
  {
    id: "json-proto",
    clause: "RFC 8259 §4",
    title: "members named __proto__ and constructor are members like others",
    async run(kit) {
      const [sae, path] = at(kit, "enc_keys");
      const body = '{"__proto__": {"number": 9}, "constructor": {"size": 7}}';
      kit.keys(await kit.patient(sae, path, { body }), "odd names", 1);
      const keys = await kit.given();
      const odd = `{"key_IDs": [{"key_ID": "${keys[0]?.id}", "__proto__": 1}], "toString": 1}`;
      const [slave, there] = at(kit, "dec_keys");
      same(kit.keys(await kit.patient(slave, there, { body: odd }), "dec_keys"), keys, "odd names");
    },
  },
];
