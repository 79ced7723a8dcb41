/** Many keys: windows, several connections, connections that break, a KM that is restarted. */
import { Broken } from "../run.ts";
import type { KmCase } from "./case.ts";
import { type Client, type Kit, pause } from "./kit.ts";
import type { Said } from "./message.ts";
import { changed, type TestKey } from "./target.ts";

/** As many as a node has outstanding unless configured otherwise. */
const window = 256;

async function allTaken(kit: Kit, client: Client, keys: readonly TestKey[], what: string) {
  const said = await client.supplyAll(keys.map((key) => kit.payload(key)));
  for (const [i, one] of said.entries())
    kit.success(one, `${what}: key ${i + 1} of ${keys.length}`);
}

function quantile(sorted: readonly number[], part: number): string {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/** Supplies again what was not answered, as a node does, until all of it is. */
async function untilTaken(kit: Kit, keys: readonly TestKey[], what: string): Promise<void> {
  const client = await kit.open();
  await allTaken(kit, client, keys, what);
}

/** Other bytes first: a KM that has forgotten an ID takes them, as it would the right ones. */
async function stillHeld(kit: Kit, client: Client, keys: readonly TestKey[]): Promise<void> {
  for (const key of keys) {
    const said = await client.supply(kit.payload(changed(key)));
    kit.refused(said, "other bytes under an ID confirmed before the restart", ["duplicate_key_ID"]);
  }
}

export const flowCases: readonly KmCase[] = [
  {
    id: "window",
    title: `${window} keys at once are all answered, each for itself`,
    async run(kit) {
      const client = await kit.open();
      await allTaken(kit, client, kit.keys(window), "at once");
    },
  },
  {
    id: "many",
    title: "two thousand keys in windows are all taken; how fast is noted",
    async run(kit) {
      const client = await kit.open();
      const begun = performance.now();
      for (let i = 0; i < 8; i++) await allTaken(kit, client, kit.keys(250), `window ${i + 1}`);
      const seconds = (performance.now() - begun) / 1_000;
      const times = client.times.toSorted((a, b) => a - b);
      kit.note(
        `${(2_000 / seconds).toFixed(0)} keys/s; answers within ${quantile(times, 0.5)} ms (median), ` +
          `${quantile(times, 0.99)} ms (99 %)`,
      );
    },
  },
  {
    id: "long-keys",
    title: "a row of long keys at once is taken, or refused as a length",
    async run(kit) {
      const client = await kit.open();
      const said = await client.supplyAll(kit.keys(12, 200_000).map((key) => kit.payload(key)));
      for (const one of said) {
        if (one.word !== "key_length_unsupported") kit.success(one, "200,000 bits");
      }
    },
  },
  {
    id: "parallel",
    title: "several nodes at once are all served",
    async run(kit) {
      const clients = await Promise.all(Array.from({ length: 8 }, () => kit.open(2)));
      await Promise.all(clients.map((one, i) => allTaken(kit, one, kit.keys(25), `node ${i + 1}`)));
    },
  },
  {
    id: "reconnect",
    title: "connections come and go, and each is served",
    async run(kit) {
      for (let i = 1; i <= 25; i++) {
        const client = await kit.open(1);
        await kit.taken(client, kit.key(), `connection ${i}`);
        client.close();
      }
    },
  },
  {
    id: "cut",
    title: "a connection that is cut with keys on it costs none: each is taken when it comes again",
    async run(kit) {
      for (let round = 0; round < 5; round++) {
        const keys = kit.keys(40);
        const client = await kit.open();
        const said = client.supplyAll(keys.map((key) => kit.payload(key)));
        await pause(round * 2);
        client.close();
        await said;
        await untilTaken(kit, keys, "after the cut");
      }
    },
  },
  {
    id: "idle",
    title: "a connection on which nothing moved for three seconds still takes a key",
    async run(kit) {
      const client = await kit.open(1);
      await kit.taken(client, kit.key());
      await pause(3_000);
      const said = await client.supply(kit.payload(kit.key()));
      // The node makes another connection then, and no key is lost; but each pause costs a handshake.
      if (said.word === "(closed)") kit.note("the KM closes connections that are idle for 3 s");
      else kit.success(said, "after 3 s");
      await kit.alive("after the pause");
    },
  },
  {
    id: "restart-kept",
    title: "what the KM has confirmed it still has after a restart",
    needs: "restart",
    async run(kit) {
      const keys = kit.keys(50);
      const before = await kit.open();
      await allTaken(kit, before, keys, "before the restart");
      await kit.target.restart?.();
      before.close();
      const client = await kit.open();
      await stillHeld(kit, client, keys.slice(0, 5));
      await allTaken(kit, client, keys, "supplied again after the restart");
    },
  },
  {
    id: "restart-middle",
    title:
      "restarted with keys on their way it loses none that it confirmed, and takes the others again",
    needs: "restart",
    async run(kit) {
      const client = await kit.open();
      const keys: TestKey[] = [];
      const said: Said[] = [];
      const supplyMore = async () => {
        const more = kit.keys(64);
        keys.push(...more);
        said.push(...(await client.supplyAll(more.map((key) => kit.payload(key)))));
      };
      await supplyMore();
      let over = false;
      const restarted = kit.target.restart?.().finally(() => {
        over = true;
      });
      // Windows one after the other, so that there are keys on their way whenever it goes.
      while (!over && keys.length < 10_000 && said.at(-1)?.word !== "(closed)") await supplyMore();
      await restarted;
      client.close();
      const confirmed = keys.filter((_, i) => said[i]?.word === "success");
      kit.note(`${confirmed.length} of ${keys.length} keys were confirmed when it went`);
      for (const one of said) {
        if (!["success", "(closed)", "busy"].includes(one.word)) {
          throw new Broken(`a key on its way: ${one.why}, which is final for the node`);
        }
      }
      const again = await kit.open();
      await stillHeld(kit, again, [...confirmed.slice(0, 5), ...confirmed.slice(-5)]);
      for (let i = 0; i < keys.length; i += window) {
        await allTaken(kit, again, keys.slice(i, i + window), "supplied again after the restart");
      }
    },
  },
];
