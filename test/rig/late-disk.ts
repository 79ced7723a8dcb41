/** Loaded into a daemon of the late world: each fsync takes up to a second more. */
import { open } from "node:fs/promises";
import { random } from "../random.ts";
import { lateMs, lateSeed } from "./late.ts";

const draw = random(lateSeed() ?? 0);
const file = await open(process.execPath);
const handle = Object.getPrototypeOf(file);
await file.close();
for (const name of ["sync", "datasync"] as const) {
  const real = handle[name];
  handle[name] = async function (this: unknown) {
    await new Promise((resolve) => setTimeout(resolve, draw() * lateMs));
    return real.call(this);
  };
}
