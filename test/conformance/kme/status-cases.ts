/** "Get status" (§5.1, §6.1). */
import { Broken } from "../run.ts";
import type { KmeCase } from "./case.ts";

const texts = ["source_KME_ID", "target_KME_ID", "master_SAE_ID", "slave_SAE_ID"] as const;
const numbers = [
  "key_size",
  "stored_key_count",
  "max_key_count",
  "max_key_per_request",
  "max_key_size",
  "min_key_size",
  "max_SAE_ID_count",
] as const;

export const statusCases: readonly KmeCase[] = [
  {
    id: "status",
    clause: "§5.1",
    title: "GET …/status is answered 200 with a JSON object",
    async run(kit) {
      await kit.status(kit.master, kit.slave);
    },
  },
  {
    id: "status-members",
    clause: "§6.1, Table 8",
    title: "every member of Status is there: four texts and seven integers from 0",
    async run(kit) {
      const status = await kit.status(kit.master, kit.slave);
      for (const name of texts) {
        if (typeof status[name] !== "string" || status[name] === "") {
          throw new Broken(`${name} is no text`);
        }
      }
      for (const name of numbers) {
        const value = status[name];
        if (!Number.isSafeInteger(value) || (value as number) < 0) {
          throw new Broken(`${name} is no integer from 0`);
        }
      }
    },
  },
  {
    id: "status-saes",
    clause: "§6.1, Table 8",
    title: "master_SAE_ID is who asks, slave_SAE_ID is the one of the path",
    async run(kit) {
      const { master_SAE_ID, slave_SAE_ID } = await kit.status(kit.master, kit.slave);
      if (master_SAE_ID !== kit.master.id) throw new Broken("master_SAE_ID is not who asks");
      if (slave_SAE_ID !== kit.slave.id) throw new Broken("slave_SAE_ID is not that of the path");
    },
  },
  {
    id: "status-kmes",
    clause: "§6.1, Table 8",
    title: "asked at the other KME, source_KME_ID and target_KME_ID are the other way round",
    async run(kit) {
      const here = await kit.status(kit.master, kit.slave);
      const there = await kit.status(kit.slave, kit.master);
      if (
        here.source_KME_ID !== there.target_KME_ID ||
        here.target_KME_ID !== there.source_KME_ID
      ) {
        throw new Broken("the IDs of the KMEs differ");
      }
    },
  },
  {
    id: "status-sizes",
    clause: "§6.1, Table 8",
    title: "min_key_size ≤ key_size ≤ max_key_size, all in bits, and at least one key a request",
    async run(kit) {
      const status = await kit.status(kit.master, kit.slave);
      const [least, usual, most, number] = [
        "min_key_size",
        "key_size",
        "max_key_size",
        "max_key_per_request",
      ].map((name) => status[name] as number) as [number, number, number, number];
      if (!(least >= 1 && least <= usual && usual <= most)) {
        throw new Broken(`min_key_size ${least}, key_size ${usual}, max_key_size ${most}`);
      }
      if (!(number >= 1)) throw new Broken(`max_key_per_request is ${number}`);
    },
  },
  {
    id: "status-count",
    clause: "§6.1, Table 8",
    title: "stored_key_count is not over max_key_count",
    async run(kit) {
      const { stored_key_count, max_key_count } = await kit.status(kit.master, kit.slave);
      if ((stored_key_count as number) > (max_key_count as number)) {
        throw new Broken(`stored_key_count ${stored_key_count}, max_key_count ${max_key_count}`);
      }
    },
  },
  {
    id: "status-post",
    clause: "§5, Table 1",
    title: "status is for GET only",
    async run(kit) {
      const path = kit.path(kit.master, kit.slave.id, "status");
      kit.is(await kit.ask(kit.master, path, { body: {} }), [405, 404, 400], "POST of status");
    },
  },
];
