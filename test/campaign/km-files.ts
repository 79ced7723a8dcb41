/**
 * Files from elsewhere in the folder of a key manager's store: cut off, of another store, of a later version,
 * random, turned bits. It opens, and tells of what is lost, or says in a fault why not; it never crashes, nor makes a
 * used key free.
 */

import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ms } from "../../src/base/duration.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import { checkStore, repairStore } from "../../src/km/io/engine/check.ts";
import { type Opened, openEngine } from "../../src/km/io/engine/open.ts";
import { ManualClock } from "../clock.ts";
import { type Random, random } from "../random.ts";
import { inUse } from "../rig/memory.ts";
import { allIn, putKeys } from "../rig/stored-keys.ts";

export interface FileFuzzResult {
  readonly inputs: number;
  readonly opened: number;
  /** Faults by their code. */
  readonly faults: Readonly<Record<string, number>>;
  /** Bytes in use that were added after the first tenth. */
  readonly growth: number;
  readonly broken: readonly string[];
}

const expected = ["km_store.corrupt", "km_store.version", "km_store.key", "km_store.io"];
const masterKey = Buffer.alloc(32, 5);
const limitBytes = 1e9;

function open(folder: string, clock: ManualClock): Promise<Opened> {
  return openEngine({
    folder,
    masterKey: Buffer.from(masterKey),
    limitBytes,
    wipeAfter: ms(10_000),
    cycleMs: 0,
    clock,
    reserveBytes: 4_096,
    // A store that fails later on is closed by its owner.
    onFailure: () => {},
  });
}

/** A store with keys that wait, stock, and keys that were used. @returns IDs of the used */
async function makeStore(folder: string): Promise<Set<string>> {
  const opened = await open(folder, new ManualClock());
  const keys = Array.from({ length: 40 }, () => {
    return { id: randomBytes(16), bits: 1_600, bytes: randomBytes(200) };
  });
  const stored = await new Promise<readonly { handle: number }[]>((done) =>
    putKeys(opened.store, "m", keys, done),
  );
  const handles = stored.map(({ handle }) => handle);
  const row = (key: string) =>
    ({ kind: "extent", link: "ab", key, value: Buffer.from("{}") }) as const;
  await new Promise<void>((done) =>
    opened.store.commit(
      {
        extents: [
          { link: "ab", number: 1, length: 2_000, handles: handles.slice(0, 10) },
          { link: "ab", number: 2, length: 2_000, handles: handles.slice(10, 20) },
        ],
        rows: [row("1"), row("2")],
        dropped: handles.slice(20, 25),
      },
      done,
    ),
  );
  await opened.store.close();
  return new Set(keys.slice(0, 25).map(({ id }) => id.toString("hex")));
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .sort();
}

const whole = (draw: Random, below: number) => Math.floor(draw() * below);

/** Something happens to one file. @returns what, for a message; and whether used keys may be unknown after */
async function spoil(
  folder: string,
  other: string,
  draw: Random,
): Promise<{ what: string; forgets: boolean }> {
  const paths = await filesOf(folder);
  const path = paths[whole(draw, paths.length)] as string;
  const name = path.slice(folder.length + 1);
  const isBooks = name.startsWith("books");
  const bytes = await readFile(path);
  const way = draw();
  if (isBooks && way < 0.25) {
    const database = new DatabaseSync(join(folder, "books.sqlite"));
    const sql = [
      `PRAGMA user_version = ${3 + whole(draw, 1e9)}`,
      "DROP TABLE extents",
      "ALTER TABLE rows RENAME COLUMN value TO worth",
      `INSERT OR REPLACE INTO extents VALUES ('ab', ${whole(draw, 9)}, ${whole(draw, 1e12)}, -5, ${whole(draw, 1e15)})`,
      "INSERT OR REPLACE INTO extents VALUES ('ab', 'x', 'y', NULL, 'z')",
      "INSERT OR REPLACE INTO rows VALUES (9999, 'ab', 'x', NULL)",
      `INSERT OR REPLACE INTO consumed VALUES (${whole(draw, 5)}, 'x', 7)`,
      `UPDATE extents SET offset = ${whole(draw, 1e4)}, length = ${whole(draw, 1e9)}`,
    ];
    const one = sql[whole(draw, sql.length)] as string;
    database.exec(one);
    database.close();
    return { what: one, forgets: false };
  }
  if (way < 0.45) {
    await writeFile(path, bytes.subarray(0, whole(draw, bytes.length)));
    return { what: `${name} cut off`, forgets: isBooks };
  }
  if (way < 0.6) {
    await writeFile(path, randomBytes(whole(draw, 70_000)));
    return { what: `${name} random`, forgets: isBooks };
  }
  if (way < 0.75) {
    const theirs = await readFile(join(other, name)).catch(() => randomBytes(64));
    await writeFile(path, theirs);
    return { what: `${name} of another store`, forgets: isBooks };
  }
  for (let n = 1 + whole(draw, 8); n > 0 && bytes.length > 0; n--) {
    const at = whole(draw, bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << whole(draw, 8));
  }
  await writeFile(path, bytes);
  return { what: `${name} with turned bits`, forgets: isBooks };
}

/** Opens it, reads all of it. @throws Fault */
async function use(folder: string, used: ReadonlySet<string> | undefined): Promise<string[]> {
  const opened = await open(folder, new ManualClock());
  const broken: string[] = [];
  try {
    for (const { id } of allIn(opened.loaded.buffered)) {
      const back = used?.has(Buffer.from(id).toString("hex"));
      if (back) broken.push("a used key is back");
    }
    for (const { link, number, length } of opened.loaded.extents) {
      const range = [{ extent: number, start: 0, end: Math.min(length, 1_000) }];
      opened.store.read(link, range, () => {});
    }
    await opened.store.shred().catch(() => {});
  } finally {
    await opened.store.close().catch(() => {});
  }
  return broken;
}

/** @param count stores that something happens to */
export async function kmFileFuzz(count: number, seed: number): Promise<FileFuzzResult> {
  const draw = random(seed);
  const root = await mkdtemp(join(tmpdir(), "qkd-km-files-"));
  const broken: string[] = [];
  const faults: Record<string, number> = {};
  let opened = 0;
  let before = 0;
  const thrown = (error: unknown) => broken.push(`thrown: ${(error as Error)?.stack ?? error}`);
  process.on("uncaughtException", thrown).on("unhandledRejection", thrown);
  try {
    const [own, other] = [join(root, "own"), join(root, "other")];
    const used = await makeStore(own);
    await makeStore(other);
    for (let n = 0; n < count; n++) {
      const folder = join(root, "spoilt");
      await cp(own, folder, { recursive: true });
      const { what, forgets } = await spoil(folder, other, draw);
      const acts = [
        async () => void (await checkStore({ folder, masterKey })),
        async () => {
          const found = await use(folder, forgets ? undefined : used);
          broken.push(...found.map((one) => `${n}, ${what}: ${one}`));
          opened++;
        },
        async () => void (await repairStore({ folder, masterKey, limitBytes })),
      ];
      for (const act of acts) {
        try {
          await act();
        } catch (error) {
          const code = error instanceof Fault ? error.code : "other";
          faults[code] = (faults[code] ?? 0) + 1;
          if (expected.includes(code)) continue;
          broken.push(`${n}, ${what}: ${describe(error)} ${(error as Error).stack}`);
        }
      }
      await rm(folder, { recursive: true });
      if (n <= count / 10) before = inUse();
    }
  } finally {
    process.off("uncaughtException", thrown).off("unhandledRejection", thrown);
    await rm(root, { recursive: true });
  }
  return { inputs: count, opened, faults, growth: inUse() - before, broken };
}
