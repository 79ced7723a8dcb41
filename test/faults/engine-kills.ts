/** A real process with a store of keys, killed at random by SIGKILL: what it acknowledged must be so. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { random } from "../random.ts";

export interface EngineKills {
  readonly kills: number;
  readonly keys: number;
  readonly broken: readonly string[];
}

type State = "stored" | "leaving" | "left";

const child = fileURLToPath(new URL("./engine-child.ts", import.meta.url));

export async function killEngines(kills: number, seed: number): Promise<EngineKills> {
  const draw = random(seed);
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-kills-"));
  const states = new Map<string, State>();
  const broken: string[] = [];
  try {
    for (let n = 0; n <= kills; n++) {
      const lines = 1 + Math.floor(draw() * 120);
      const told = await life(folder, lines);
      if (told.length === 0) broken.push(`start ${n} failed`);
      for (const line of told) hear(line, states, (what) => broken.push(`start ${n}: ${what}`));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return { kills, keys: states.size, broken };
}

/** Runs it until it has said so many lines, then kills it. @returns all whole lines that it said */
function life(folder: string, lines: number): Promise<string[]> {
  const told: string[] = [];
  const process = spawn(globalThis.process.execPath, [child, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const reader = createInterface({ input: process.stdout });
  reader.on("line", (line) => {
    told.push(line);
    if (told.length === lines) process.kill("SIGKILL");
  });
  return new Promise((resolve) => reader.once("close", () => resolve(told)));
}

function hear(line: string, states: Map<string, State>, complain: (what: string) => void): void {
  const [word, list = ""] = line.split(" ");
  const ids = list === "" ? [] : list.split(",");
  if (word === "damage") complain("damage");
  else if (word === "there") compare(new Set(ids), states, complain);
  else for (const id of ids) states.set(id, word as State);
}

function compare(
  there: ReadonlySet<string>,
  states: Map<string, State>,
  complain: (what: string) => void,
): void {
  for (const [id, state] of states) {
    if (state === "stored" && !there.has(id)) complain("a key is lost");
    if (state === "left" && there.has(id)) complain("a used key is back");
    if (state === "leaving") states.set(id, there.has(id) ? "stored" : "left");
  }
  for (const id of there) states.set(id, "stored");
}
