/** A process that stores and uses keys as fast as it can, and says what was acknowledged: see `engine-kills.ts`. */

import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { ms } from "../../src/base/duration.ts";
import { openEngine } from "../../src/km/io/engine/open.ts";
import type { Buffered } from "../../src/km/store/buffered.ts";
import { allIn, putKeys } from "../rig/stored-keys.ts";

const folder = process.argv[2] as string;

/** At once: what is written to the pipe is read even after the process was killed. */
function say(word: string, keys: readonly { readonly id: Uint8Array }[]): void {
  const names = keys.map(({ id }) => Buffer.from(id).toString("hex"));
  let rest = Buffer.from(`${word} ${names.join(",")}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // The reader is slower than this process.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

const { store, loaded, damage } = await openEngine({
  folder,
  masterKey: Buffer.alloc(32, 3),
  limitBytes: 1e9,
  wipeAfter: ms(200),
  onFailure: (fault) => {
    throw fault;
  },
});
if (
  damage.segments.length +
    damage.gone.length +
    damage.groups +
    damage.keys +
    damage.extents.length >
  0
)
  say("damage", []);
const rows = loaded.rows.filter(({ kind }) => kind === "extent").map(({ key }) => Number(key));
const extents = loaded.extents.map(({ number }) => number);
if (rows.sort().join() !== extents.sort().join()) say("damage", []);
for (const number of extents) {
  const { length } = loaded.extents.find((extent) => extent.number === number) ?? { length: 0 };
  store.read("ab", [{ extent: number, start: 0, end: length }], (bytes) => {
    if (bytes === undefined) say("damage", []);
  });
}
const waiting: Buffered[] = allIn(loaded.buffered);
say("there", waiting);
let next = Math.max(0, ...extents) + 1;

function put(): void {
  const keys = Array.from({ length: 20 }, () => {
    return { id: randomBytes(16), bits: 256, bytes: randomBytes(32) };
  });
  putKeys(store, "m", keys, (stored) => {
    say("stored", stored);
    waiting.push(...stored);
    use();
    put();
  });
}

function use(): void {
  if (waiting.length < 50) return;
  const keys = waiting.splice(0, 30);
  const number = next++;
  const value = Buffer.from("{}");
  say("leaving", keys);
  store.commit(
    {
      extents: [{ link: "ab", number, length: 960, handles: keys.map(({ handle }) => handle) }],
      rows: [
        { kind: "extent", link: "ab", key: `${number}`, value },
        { kind: "extent", link: "ab", key: `${number - 20}`, value: undefined },
      ],
      // Extents go as well, so that volumes and segments are overwritten and removed.
      gone: number > 20 ? [{ link: "ab", number: number - 20 }] : [],
    },
    () => say("left", keys),
  );
}

put();
