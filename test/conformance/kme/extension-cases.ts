/** Extensions of a Key request (§6.2): mandatory ones are met or refused, optional ones met or told. */
import { Broken } from "../run.ts";
import type { KmeCase } from "./case.ts";
import { type Kit, text } from "./kit.ts";

/** An option that no KME has. */
const unknown = { "conform014-no-such-option": "x" };

const post = (kit: Kit, body: object) => {
  return kit.patient(kit.master, kit.path(kit.master, kit.slave.id, "enc_keys"), { body });
};

export const extensionCases: readonly KmeCase[] = [
  {
    id: "ext-mandatory",
    clause: "§6.2 Table 9",
    title: `an unknown option in extension_mandatory is refused by "${text.mandatory}"`,
    async run(kit) {
      const answer = await post(kit, { extension_mandatory: [unknown] });
      kit.bad(answer, "an unknown mandatory option", text.mandatory);
    },
  },
  {
    id: "ext-mandatory-number",
    clause: "§6.2 Table 9",
    title: "it costs no key: a request for more than one is refused as a whole",
    async run(kit) {
      const answer = await post(kit, { number: 2, extension_mandatory: [unknown] });
      kit.bad(answer, "an unknown mandatory option", text.mandatory);
    },
  },
  {
    id: "ext-empty",
    clause: "§6.2 Table 9",
    title: "extension_mandatory and extension_optional may be empty arrays",
    async run(kit) {
      const answer = await post(kit, { extension_mandatory: [], extension_optional: [] });
      kit.keys(answer, "empty extensions", 1);
    },
  },
  {
    id: "ext-optional",
    clause: "§6.2 Table 9",
    title: "an unknown option in extension_optional costs nothing: the keys are given",
    async run(kit) {
      const answer = await post(kit, { number: 2, extension_optional: [unknown, unknown] });
      kit.keys(answer, "an unknown optional option", 2);
      const { key_container_extension: told } = kit.object(answer, "enc_keys");
      if (told === undefined) kit.note("the answer does not tell that an option was not handled");
    },
  },
  ...(["extension_mandatory", "extension_optional"] as const).map(
    (name): KmeCase => ({
      id: `ext-shape-${name.slice(10)}`,
      clause: "§6.2 Table 9",
      title: `${name} that is no array of objects is refused`,
      async run(kit) {
        for (const value of ["x", 7, { a: 1 }, [7], ["x"], [[]], [null]]) {
          const answer = await post(kit, { [name]: value });
          kit.bad(answer, `${name} ${JSON.stringify(value)}`);
        }
      },
    }),
  ),
  {
    id: "ext-same-key",
    clause: "§6.2, §6.3",
    title: "extensions change no key: both ends get the same",
    async run(kit) {
      const keys = kit.keys(await post(kit, { extension_optional: [unknown] }), "enc_keys", 1);
      await kit.fetched(keys, "dec_keys");
      if (keys[0] === undefined) throw new Broken("no key");
    },
  },
];
