/** A power cut before each change that taking a configuration makes to the disk, and one more while it goes back. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import {
  isBlank,
  keepSite,
  revertSite,
  revertUntried,
  type SiteHome,
  stageSite,
  switchSite,
} from "../../../../src/ops/site/home.ts";
import { listed } from "../../../../src/ops/site/manifest.ts";
import { checkSeal } from "../../../../src/ops/site/seal.ts";
import { untilPowerCut } from "../../../rig/power-cut.ts";

const key = Buffer.from("the node's private key");

/** Files beside `node.toml`: the first, the one that is kept, and the next have some of their own. */
const names: Readonly<Record<number, readonly string[]>> = {
  1: ["first.crt", "network/1.network"],
  2: ["second.crt", "network/2.network", "network/shared.network"],
  3: ["third.crt", "chrony/third.sources", "network/3.network", "network/shared.network"],
};

function stage(where: SiteHome, serial: number): string {
  const entries = ["node.toml", ...(names[serial] ?? [])];
  const files = new Map(entries.map((name) => [name, Buffer.from(`${serial}`)]));
  const record = {
    v: 1,
    node: "node-a",
    serial,
    provisioned: "unsigned",
    files: listed(files).map(({ name, sha256 }) => ({ name, sha256 })),
  } as const;
  return stageSite(where, files, record, { node: key });
}

const never = Number.POSITIVE_INFINITY;

interface Disk {
  /** The same content, on a disk of its own. */
  readonly copy: () => SiteHome;
}

/** @param kept serials that were taken before */
function diskOf(t: ExecutionContext, kept: readonly number[]): Disk {
  const box = mkdtempSync(join(tmpdir(), "qkd-cuts-"));
  t.teardown(() => rmSync(box, { recursive: true }));
  let copies = 0;
  // Links of the network lead to the home by its path: each copy is used in the same place.
  const use = join(box, "use");
  const where = { home: join(use, "home"), network: join(use, "network"), gid: undefined };
  mkdirSync(where.home, { recursive: true });
  mkdirSync(where.network);
  writeFileSync(join(where.home, "id"), "node-a\n");
  for (const serial of kept) {
    switchSite(where, stage(where, serial));
    keepSite(where);
  }
  return diskFrom(box, use, where, () => ++copies);
}

function diskFrom(box: string, use: string, where: SiteHome, number: () => number): Disk {
  const kept = join(box, String(number()));
  cpSync(use, kept, { recursive: true, verbatimSymlinks: true });
  return {
    copy: () => {
      rmSync(use, { recursive: true });
      cpSync(kept, use, { recursive: true, verbatimSymlinks: true });
      return where;
    },
  };
}

/** What is in force: a serial, or `blank`; `broken` if a part of it is of another, or missing. */
function inForce(where: SiteHome): number | "blank" | "broken" {
  const { home, network } = where;
  const links = readdirSync(network);
  if (isBlank(where)) return links.length === 0 ? "blank" : "broken";
  if (checkSeal(home, key, "node") !== undefined) return "broken";
  const serial = Number(readFileSync(join(home, "node.toml"), "utf8"));
  const own = ["node.toml", ...(names[serial] ?? [])];
  const there = own.every((name) => {
    const path = name.startsWith("network/") ? join(network, "..", name) : join(home, name);
    return existsSync(path) && readFileSync(path, "utf8") === String(serial);
  });
  const count = own.filter((name) => name.startsWith("network/")).length;
  return there && links.length === count ? serial : "broken";
}

function isOnTrial({ home }: SiteHome): boolean {
  return readdirSync(home).includes(".untried");
}

const starts = { "a blank machine": [], "one that has a configuration": [1, 2] } as const;

for (const [what, kept] of Object.entries(starts)) {
  const before = kept.at(-1) ?? "blank";
  const takes: Readonly<Record<string, (where: SiteHome) => void>> = {
    "takes another one": (where) => {
      switchSite(where, stage(where, 3));
      keepSite(where);
    },
    "goes back from one": (where) => {
      switchSite(where, stage(where, 3));
      revertSite(where, "cut");
    },
  };
  for (const [how, take] of Object.entries(takes)) {
    test(`${what} ${how}, and the power goes at any moment, twice`, (t) => {
      const disk = diskOf(t, kept);
      const whole = disk.copy();
      const all = untilPowerCut(never, () => take(whole));
      const seen = new Set<number | string>();
      for (let cut = 0; cut <= all; cut++) {
        // The next start, cut as well: at each fourth change, another one after each cut.
        for (let again = cut % 4, more = true; more; again += 4) {
          const where = disk.copy();
          t.is(
            untilPowerCut(cut, () => take(where)),
            cut,
          );
          const wasOnTrial = isOnTrial(where);
          const label = `cut ${cut}, then ${again}`;
          more = untilPowerCut(again, () => revertUntried(where, "cut")) === again && wasOnTrial;
          if (again > 200) throw new Error(label);
          untilPowerCut(never, () => void revertUntried(where, "cut"));
          t.false(isOnTrial(where), label);
          const found = inForce(where);
          seen.add(found);
          if (wasOnTrial) t.is(found, before, label);
          else t.true(found === before || (how === "takes another one" && found === 3), label);
          if (more) continue;
          // And it can be taken after all.
          untilPowerCut(never, () => takes["takes another one"]?.(where));
          t.is(inForce(where), 3, label);
        }
      }
      t.deepEqual(seen, new Set(how === "takes another one" ? [before, 3] : [before]));
    });
  }
}

test("one that was never kept is nothing to go back to", (t) => {
  const where = diskOf(t, [1]).copy();
  switchSite(where, stage(where, 2));
  switchSite(where, stage(where, 3));
  t.is(readlinkSync(join(where.home, "before")), "sites/1");
  t.true(revertUntried(where, "cut"));
  t.is(inForce(where), 1);
  t.false(revertUntried(where, "cut"));
});
