/** Which long campaigns there are, and what must hold in each. */
import { alarmCuts } from "../../test/campaign/alarm-cuts.ts";
import { custodyStories } from "../../test/campaign/custody-stories.ts";
import { type Door, doors, flood } from "../../test/campaign/floods.ts";
import { framesThroughNoise } from "../../test/campaign/frames.ts";
import { fuzz } from "../../test/campaign/fuzz.ts";
import {
  type HostileResult,
  hostileCommands,
  hostilePackets,
} from "../../test/campaign/hostile-manager.ts";
import { kmDrops } from "../../test/campaign/km-drops.ts";
import { kmFileFuzz } from "../../test/campaign/km-files.ts";
import { kmHttpFuzz } from "../../test/campaign/km-http.ts";
import { kmLives } from "../../test/campaign/km-lives.ts";
import { blocksThroughNoise } from "../../test/campaign/noisy-session.ts";
import { replug } from "../../test/campaign/replug.ts";
import { tamper } from "../../test/campaign/tamper.ts";
import {
  diskErrors,
  forgetfulDisks,
  ledgerTroubles,
  powerCuts,
} from "../../test/faults/disk-campaign.ts";
import {
  engineDiskErrors,
  engineForgetfulDisks,
  enginePowerCuts,
} from "../../test/faults/engine-campaign.ts";
import { killEngines } from "../../test/faults/engine-kills.ts";
import { killEtsi014 } from "../../test/faults/etsi014-kills.ts";
import { killNodes } from "../../test/faults/kills.ts";
import { killKms } from "../../test/faults/km-kills.ts";
import { rekeyTroubles } from "../../test/faults/rekey-campaign.ts";
import { killRekeys } from "../../test/faults/rekey-kills.ts";
import { meetTroubles } from "../../test/faults/troubles.ts";
import { lastKeys } from "../../test/sim/km/last-keys.ts";
import { launcher } from "../bench/production.ts";
import { type Campaign, type Outcome, times } from "./campaign.ts";
import { ck } from "./ck.ts";
import { controller } from "./controller.ts";
import { etsi014 } from "./etsi014.ts";
import { flowing } from "./flow.ts";
import { proactive } from "./proactive.ts";
import { relays } from "./relays.ts";

const noises = [1e-6, 1e-5, 1e-4, 1e-3].map((bitErrors) => ({
  bitErrors,
  drops: bitErrors,
  inserts: bitErrors,
  duplicates: bitErrors,
}));

const flooded: Readonly<Record<Door, string>> = {
  server: "the server of keys",
  km: "the node, by its KM over Kq-1",
  page: "the page",
  local: "the socket that only answers",
};

const seeds = (count: number, first: number) => Array.from({ length: count }, (_, i) => first + i);

function tally({ points, broken }: { points: number; broken: readonly string[] }): Outcome {
  for (const what of broken.slice(0, 10)) process.stderr.write(`${what}\n`);
  return { held: broken.length === 0, figures: { points, broken: broken.length } };
}

function unbroken(broken: readonly string[], figures: Outcome["figures"]): Outcome {
  for (const what of broken) process.stderr.write(`${what}\n`);
  return { held: broken.length === 0, figures };
}

function harmless({ executed, thrown, growth, inputs }: HostileResult): Outcome {
  const held = executed === 0 && thrown === 0 && growth < 8_000_000;
  return { held, figures: { inputs, executed, thrown, growth } };
}

export const campaigns: readonly Campaign[] = [
  {
    name: "frames",
    parts: noises.map((rates) => ({
      title: `10⁷ frames, each kind of fault at ${rates.bitErrors}`,
      run(scale, seed) {
        const result = framesThroughNoise(times(10_000_000, scale), rates, seed);
        return { held: result.wrong === 0 && result.missed === 0, figures: { ...result } };
      },
    })),
  },
  {
    name: "blocks",
    // At 10⁻³ hardly a frame of 512 bytes passes: that is a broken cable, and no session lives.
    parts: noises.slice(0, 3).map((rates) => ({
      title: `blocks of 2 kB in sessions, each kind of fault at ${rates.bitErrors}`,
      async run(scale, seed) {
        const result = await blocksThroughNoise(times(50_000, scale), rates, seed);
        return { held: result.wrong === 0 && result.lost === 0, figures: { ...result } };
      },
    })),
  },
  {
    name: "fuzz",
    parts: [
      {
        title: "10⁸ hostile inputs",
        run(scale, seed) {
          const { thrown, ...figures } = fuzz(times(100_000_000, scale), seed);
          const held = thrown.size === 0 && figures.growth < 50_000_000;
          return { held, figures: { ...figures, thrown: thrown.size } };
        },
      },
    ],
  },
  ck,
  controller,
  etsi014,
  proactive,
  relays,
  {
    name: "floods",
    parts: doors.map((door) => ({
      title: `10⁶ hostile requests at ${flooded[door]}`,
      async run(scale: number) {
        const rounds = times(1_000_000, scale);
        const options = { rounds, longest: 900, usual: 60, program: launcher() };
        const result = await flood(door, options);
        const { own_peak_mb: grown, slower, failed, sent } = result;
        const held = grown <= 16 && slower <= 2 && failed === 0 && sent >= rounds;
        return { held, figures: { ...result } };
      },
    })),
  },
  {
    name: "km",
    parts: [
      {
        title: "10,000 times the KM takes a key and drops the connection before its answer",
        async run(scale) {
          const result = await kmDrops(times(10_000, scale));
          const held = result.lost + result.conflicts + result.held === 0;
          return { held, figures: { ...result } };
        },
      },
    ],
  },
  {
    name: "manager",
    parts: [
      {
        title: "10⁶ hostile command payloads",
        run: async (scale, seed) => harmless(await hostileCommands(times(1_000_000, scale), seed)),
      },
      {
        title: "10⁶ hostile packets of a broker",
        async run(scale, seed) {
          const result = await hostilePackets(times(1_000_000, scale), seed);
          // Random bytes may be a message on a command topic: the handler of commands checks it.
          return harmless({ ...result, executed: 0 });
        },
      },
      {
        title: "10,000 cuts at every byte while alarms come and go",
        async run(scale, seed) {
          const result = await alarmCuts(times(10_000, scale), seed);
          return { held: result.lost + result.wrong + result.stale === 0, figures: { ...result } };
        },
      },
    ],
  },
  {
    name: "km-kills",
    parts: [
      {
        title: "500 SIGKILLs of either key manager and either node",
        async run(scale, seed) {
          const { broken, ...figures } = await killKms(times(500, scale), seed);
          return unbroken(broken, figures);
        },
      },
      {
        title: "500 orderly stops of either key manager and either node",
        async run(scale, seed) {
          const { broken, ...figures } = await killKms(times(500, scale), seed, "SIGTERM");
          return unbroken(broken, figures);
        },
      },
    ],
  },
  {
    name: "etsi014-kills",
    parts: [
      {
        title: "500 kills of two nodes, of their KMEs and of the cable between the drivers",
        async run(scale, seed) {
          const { broken, ...figures } = await killEtsi014(times(500, scale), seed);
          return unbroken(broken, figures);
        },
      },
    ],
  },
  {
    name: "km-lives",
    parts: [
      {
        title: "1.6·10⁶ keys, 10⁴ crashes in lives of two key managers and their link",
        run(scale, seed) {
          const { broken, figures } = kmLives(times(4_000, scale), 400, seed);
          for (const what of broken?.words ?? []) {
            process.stderr.write(`life ${broken?.seed}: ${what}\n`);
          }
          return { held: broken === undefined, figures };
        },
      },
      {
        title: "10⁴ lives with the last keys, asked for at both ends",
        run(scale, seed) {
          let most = 0;
          for (let n = 0; n < times(10_000, scale); n++) {
            const { broken, left } = lastKeys(seed + n);
            most = Math.max(most, left);
            if (broken.length === 0 && left <= 2) continue;
            for (const what of broken) process.stderr.write(`life ${seed + n}: ${what}\n`);
            return { held: false, figures: { life: seed + n, left } };
          }
          return { held: true, figures: { most_left: most } };
        },
      },
    ],
  },
  {
    name: "story",
    parts: [
      {
        title: "10⁵ lives of a custody: KMs, modules, configurations, disks, operators",
        async run(scale, seed) {
          const { stories, broken } = await custodyStories(times(100_000, scale), seed);
          return tally({ points: stories, broken });
        },
      },
    ],
  },
  {
    name: "disk",
    parts: [
      {
        title: "power cut at every file operation of 300 stories",
        async run(scale, seed) {
          return tally(await powerCuts(seeds(times(300, scale), seed)));
        },
      },
      {
        title: "ENOSPC, EROFS, EIO, EMFILE at every file operation of 30 stories",
        async run(scale, seed) {
          const codes = ["ENOSPC", "EROFS", "EIO", "EMFILE"];
          return tally(await diskErrors(seeds(times(30, scale), seed), codes));
        },
      },
      {
        title: "a disk that forgets what it failed to sync, at every file operation of 300 stories",
        async run(scale, seed) {
          return tally(await forgetfulDisks(seeds(times(300, scale), seed)));
        },
      },
      {
        title: "a ledger of every kind of entry, at every file operation of 300 stories",
        async run(scale, seed) {
          return tally(await ledgerTroubles(seeds(times(300, scale), seed)));
        },
      },
    ],
  },
  {
    name: "km-store",
    parts: [
      {
        title: "power cut at every operation of 300 stories of a key manager's store",
        async run(scale, seed) {
          return tally(await enginePowerCuts(seeds(times(300, scale), seed), 1));
        },
      },
      {
        title:
          "ENOSPC, EDQUOT, EIO, EROFS at every operation of 30 stories of a key manager's store",
        async run(scale, seed) {
          const codes = ["ENOSPC", "EDQUOT", "EIO", "EROFS"];
          return tally(await engineDiskErrors(seeds(times(30, scale), seed), codes, 1));
        },
      },
      {
        title:
          "a forgetful disk, then a power cut, at every operation of 300 stories of such a store",
        async run(scale, seed) {
          return tally(await engineForgetfulDisks(seeds(times(300, scale), seed), 1));
        },
      },
      {
        title: "power, disk and forgetfulness at every operation of 100 exchanges of a master key",
        async run(scale, seed) {
          return tally(await rekeyTroubles(seeds(times(100, scale), seed), 1));
        },
      },
      {
        title: "500 SIGKILLs in the middle of another master key for a key manager that runs",
        async run(scale, seed) {
          const { broken, ...figures } = await killRekeys(times(500, scale), seed);
          for (const what of broken.slice(0, 10)) process.stderr.write(`${what}\n`);
          return { held: broken.length === 0, figures: { ...figures, broken: broken.length } };
        },
      },
      {
        title: "a process with a key manager's store killed by SIGKILL 2,000 times",
        async run(scale, seed) {
          const { broken, ...figures } = await killEngines(times(2_000, scale), seed);
          for (const what of broken.slice(0, 10)) process.stderr.write(`${what}\n`);
          return { held: broken.length === 0, figures: { ...figures } };
        },
      },
    ],
  },
  {
    name: "km-hostile",
    parts: [
      {
        title: "20,000 inputs to a key manager's HTTPS server that no node would send",
        async run(scale, seed) {
          const { broken, ...figures } = await kmHttpFuzz(times(20_000, scale), seed);
          for (const what of broken.slice(0, 10)) process.stderr.write(`${what}\n`);
          const { refused, growth } = figures;
          const held = broken.length === 0 && refused === 0 && growth < 100_000_000;
          return { held, figures };
        },
      },
      {
        title: "3,000 stores of a key manager with a file from elsewhere",
        async run(scale, seed) {
          const { broken, faults, ...figures } = await kmFileFuzz(times(3_000, scale), seed);
          for (const what of broken.slice(0, 10)) process.stderr.write(`${what}\n`);
          const held = broken.length === 0 && figures.growth < 100_000_000;
          return { held, figures: { ...figures, ...faults } };
        },
      },
    ],
  },
  {
    name: "kills",
    parts: [
      {
        title: "nodes killed by SIGKILL 2,000 times, ready again within 5 s",
        async run(scale, seed) {
          const { broken, ...figures } = await killNodes(times(2_000, scale), seed);
          for (const what of broken.slice(0, 10)) process.stderr.write(`${what}\n`);
          const held = broken.length === 0 && figures.slowest <= 5_000;
          return { held, figures: { ...figures, slowest: Math.round(figures.slowest) } };
        },
      },
    ],
  },
  {
    name: "troubles",
    parts: [
      {
        title: "every trouble of KMs, modules, lines and nodes, 40 times, under the oracle",
        async run(scale, seed) {
          const { broken, ...figures } = await meetTroubles(times(40, scale), seed);
          for (const what of broken.slice(0, 10)) process.stderr.write(`${what}\n`);
          return { held: broken.length === 0, figures };
        },
      },
    ],
  },
  flowing,
  {
    name: "replug",
    parts: [
      {
        title: "1,000 times unplugged in mid-frame",
        async run(scale, seed) {
          const result = await replug(times(1_000, scale), seed);
          const { slowest, lost, wrong, doubled, leaked } = result;
          const held = slowest <= 2_000 && lost + wrong + doubled === 0 && leaked <= 0;
          return { held, figures: { ...result } };
        },
      },
    ],
  },
  {
    name: "tamper",
    parts: [
      ...(["socket", "serial"] as const).map((transport) => ({
        title: `100 times tampering while keys flow, modules on a ${transport}`,
        async run(scale: number) {
          const result = await tamper(times(100, scale), transport);
          const { last_key_max: last, zeroize_max: told, late } = result;
          const held = last <= 50 && told <= 100 && late === 0;
          return { held, figures: { ...result } };
        },
      })),
    ],
  },
];
