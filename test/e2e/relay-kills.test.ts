/**
 * A ring of five KMs that are killed, and whose links are cut, over and over while keys are relayed and asked for: no key
 * twice, and all books agree.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import test from "ava";
import type { KmStatus, LinkStatus } from "../../src/km/model/status.ts";
import { rounds } from "../campaign-scale.ts";
import { eventually } from "../eventually.ts";
import { patience } from "../patience.ts";
import { random } from "../random.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import { CutWays } from "../rig/cut-ways.ts";
import { KmNet, type KmOfNet } from "../rig/km-net.ts";

const kms = ["a", "b", "c", "d", "e"] as const;
const fibres = kms.map((km, i) => [km, kms[(i + 1) % 5] as string] as const);
/** Each two that are not neighbours, with a way round either side. */
const far = [
  { ends: ["a", "c"] as const, routes: `[["km-b"], ["km-e", "km-d"]]`, scheme: "case-2" },
  { ends: ["a", "d"] as const, routes: `[["km-e"], ["km-b", "km-c"]]`, scheme: "case-1" },
  { ends: ["b", "d"] as const, routes: `[["km-c"], ["km-a", "km-e"]]`, scheme: "destination" },
];

interface Linked {
  readonly link: LinkStatus;
  readonly other: LinkStatus | undefined;
}

function linksOf(seen: readonly KmStatus[]): Linked[] {
  return seen.flatMap(({ km_id, links }) =>
    links.map((link) => {
      const there = seen.find((one) => one.km_id === link.peer);
      return { link, other: there?.links.find(({ peer }) => peer === km_id) };
    }),
  );
}

/** Nothing is on its way, and both ends say the same of what is there, and of what became of the rest. */
function agree({ link, other }: Linked): boolean {
  return (
    link.session === "ready" &&
    link.waiting_keys === 0 &&
    link.under_way_bits === 0 &&
    link.stock_bits === other?.peer_stock_bits &&
    link.matched_bits === other.matched_bits &&
    link.taken_bits === other.taken_bits &&
    link.unfetched_bits === other.unfetched_bits
  );
}

const pairOf = (seen: readonly KmStatus[], [one, other]: readonly [string, string]) =>
  seen.find(({ km_id }) => km_id === `km-${one}`)?.links.find(({ peer }) => peer === `km-${other}`);

test.serial(
  "KMs of a ring that are killed and cut off while they relay use no pad twice, and their books agree",
  async (t) => {
    t.timeout(600_000);
    const folder = await mkdtemp(`${tmpdir()}/qkd-relay-`);
    t.teardown(() => rm(folder, { recursive: true }));
    const ways = new CutWays();
    t.teardown(() => ways.close());
    const net = await KmNet.make({
      folder,
      kxWay: (_from, _to, port) => ways.to(port),
      kms,
      fibres,
      far: far.map(({ ends, routes, scheme }) => ({
        ends,
        table: (end) =>
          end === ends[0]
            ? `routes = ${routes}\nscheme = "${scheme}"\nlow_bits = 131072\nbatch_bits = 32768`
            : "",
      })),
      relay: () => `transit = [["*", "*"]]\nwithin_s = 1`,
      door: "pick_up_s = 2\nprepared_keys = 0\n",
      link: "match_within_s = 3\n",
    });
    t.teardown(() => net.stop());
    await net.start(patience(30_000));
    const draw = random(Number(process.env.QKD_SEED ?? 5));
    const clients = new Map(
      net.kms.map((km) => [km.name, new ApplicationClient(km as never, km.application)]),
    );
    for (const client of clients.values()) t.teardown(() => client.close());
    const held = new Map<string, { digest: string; at: string[] }>();
    let both = 0;
    const note = (pair: string, at: string, id: string, digest: string) => {
      const known = held.get(id);
      if (known === undefined) return void held.set(id, { digest, at: [`${pair} ${at}`] });
      t.is(known.digest, digest, `${id} is the same at both ends`);
      t.false(known.at.includes(`${pair} ${at}`), `${id} was given twice at ${at}`);
      known.at.push(`${pair} ${at}`);
      both++;
    };
    const exchange = async () => {
      for (const { ends } of far) {
        const [from, to] = draw() < 0.5 ? ends : ([ends[1], ends[0]] as const);
        // A KM that was killed answers nothing; the rest of the pair goes on.
        const asked = await clients
          .get(from)
          ?.encKeys(`app-${to}`, 2)
          .catch(() => undefined);
        const given = asked === undefined ? [] : heldKeys(asked);
        for (const { id, digest } of given) note(ends.join(), from, id, digest);
        if (given.length === 0) continue;
        const ids = given.map(({ id }) => id);
        const got = await clients
          .get(to)
          ?.decKeys(`app-${from}`, ids)
          .catch(() => undefined);
        for (const { id, digest } of got === undefined ? [] : heldKeys(got)) {
          note(ends.join(), to, id, digest);
        }
      }
    };
    await net.feedAll(24);
    for (let round = 0; round < Math.max(3, rounds(30)); round++) {
      await exchange();
      // Of three rounds one is a cut that both ends hear of, one such that neither does.
      const heal = round % 3 === 0 ? undefined : ways.cut(draw(), round % 3 === 2);
      if (heal !== undefined) await exchange();
      const km = net.kms[Math.floor(draw() * net.kms.length)] as KmOfNet;
      await km.process.stop("SIGKILL");
      await exchange();
      km.process.lines.length = 0;
      km.process.start();
      await km.process.logged(/msg="running"/, patience(20_000));
      heal?.();
    }
    await net.feedAll(24);
    const look = () => Promise.all(net.kms.map((km) => km.status()));
    await eventually("all links are up", look, {
      when: (seen) => linksOf(seen).every(({ link }) => link.session === "ready"),
    });
    // A relay that was late on a busy machine is begun again after up to 10 s, and has burnt its pads: until then nothing
    // is on its way, and books without it agree. Counts of relays begin anew with each start; what a pair matched does not.
    for (const { ends } of far) {
      await eventually(`keys are relayed: ${ends.join(", ")}`, look, {
        when: (now) => (pairOf(now, ends)?.matched_bits ?? 0) > 0,
        pauseMs: 200,
      });
    }
    const had = async () => {
      await exchange();
      return both;
    };
    await eventually("keys are had at both ends", had, { atLeast: 1, pauseMs: 200 });
    const seen = await eventually("the books of both ends agree", look, {
      when: (now) => linksOf(now).every(agree) && now.every(({ relay }) => relay?.under_way === 0),
      deadlineMs: 100_000,
      pauseMs: 200,
      about: () => "",
    });
    t.deepEqual(
      seen.flatMap(({ links }) => links.filter(({ differing_keys }) => differing_keys > 0)),
      [],
    );
  },
);
