/** Keys for several slaves at once: additional_slave_SAE_IDs (§6.2), bounded by max_SAE_ID_count (§6.1). */
import { NotApplicable } from "../run.ts";
import type { KmeCase } from "./case.ts";
import { type Kit, text } from "./kit.ts";

async function count(kit: Kit): Promise<number> {
  const most = await kit.limit("max_SAE_ID_count");
  if (most === 0) throw new NotApplicable("not applicable, because max_SAE_ID_count is 0");
  return most;
}

const post = (kit: Kit, additional_slave_SAE_IDs: unknown) =>
  kit.patient(kit.master, kit.path(kit.master, kit.slave.id, "enc_keys"), {
    body: { additional_slave_SAE_IDs },
  });

export const multicastCases: readonly KmeCase[] = [
  {
    id: "multicast",
    clause: "§6.2 Table 9",
    title: "each of two slaves gets the same key, once",
    needs: "third",
    async run(kit) {
      await count(kit);
      const keys = kit.keys(await post(kit, [kit.third.id]), "enc_keys for two", 1);
      const ids = keys.map(({ id }) => id);
      for (const slave of [kit.third, kit.slave]) {
        await kit.fetched(keys, `dec_keys of ${slave.id}`, slave);
        kit.bad(await kit.dec(slave, kit.master, ids), `again of ${slave.id}`, text.notFound);
      }
    },
  },
  {
    id: "multicast-none",
    clause: "§6.1 Table 8",
    title: "where max_SAE_ID_count is 0, additional_slave_SAE_IDs is refused",
    needs: "third",
    async run(kit) {
      if ((await kit.limit("max_SAE_ID_count")) > 0) {
        throw new NotApplicable("not applicable, because max_SAE_ID_count is not 0");
      }
      kit.bad(await post(kit, [kit.third.id]), "additional_slave_SAE_IDs");
    },
  },
  {
    id: "multicast-unknown",
    clause: "§6.2 Table 9",
    title: "with a SAE among them that the KME does not know, nobody gets a key",
    async run(kit) {
      await count(kit);
      const answer = await post(kit, ["no-such-sae-5f0c1e"]);
      kit.is(answer, [400, 401, 403, 404, 422], "an unknown additional SAE");
    },
  },
  {
    id: "multicast-over",
    clause: "§6.1 Table 8",
    title: "more additional SAEs than max_SAE_ID_count are refused",
    async run(kit) {
      const most = await kit.limit("max_SAE_ID_count");
      const ids = Array.from({ length: most + 1 }, (_, i) => `sae-${i}`);
      kit.is(await post(kit, ids), [400, 401, 403, 404, 422], `${most + 1} additional SAEs`);
    },
  },
  {
    id: "multicast-empty",
    clause: "§6.2 Table 9",
    title: "an empty additional_slave_SAE_IDs is as none",
    async run(kit) {
      kit.keys(await post(kit, []), "an empty additional_slave_SAE_IDs", 1);
    },
  },
];
