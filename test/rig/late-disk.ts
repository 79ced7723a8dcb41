/** Loaded into a daemon of the late world: each fsync takes up to a second more. */
import promises, { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { durableWrites } from "../../src/host/disk/files.ts";
import { random } from "../random.ts";
import { lateMs, lateSeed } from "./late.ts";

const draw = random(lateSeed() ?? 0);
const file = await open(process.execPath);
const handle = Object.getPrototypeOf(file);
await file.close();
const later = () => new Promise((resolve) => setTimeout(resolve, draw() * lateMs));
for (const name of ["sync", "datasync"] as const) {
  const real = handle[name];
  handle[name] = async function (this: unknown) {
    await later();
    return real.call(this);
  };
}
// Of a file whose writes are durable each has a sync in it.
const { open: openNow } = promises;
promises.open = async (...all) => {
  const opened = await openNow(...all);
  if (all[1] !== durableWrites) return opened;
  const write = opened.write.bind(opened) as (...all: unknown[]) => ReturnType<typeof opened.write>;
  opened.write = (async (...all: unknown[]) => {
    await later();
    return write(...all);
  }) as typeof opened.write;
  return opened;
};
syncBuiltinESMExports();
