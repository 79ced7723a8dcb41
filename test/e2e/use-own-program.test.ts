/** docs/use/own-program.md, typed by a test. */
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { find, testWith } from "../needs.ts";
import { block, recipe } from "../rig/recipe.ts";
import { type TwoApplications, twoApplications } from "../rig/two-applications.ts";

function pageFor({ kms }: TwoApplications, id = "KEY-ID") {
  return recipe("own-program", {
    "https://km-a.example:9445": kms.alice.url,
    "https://km-b.example:9445": kms.bob.url,
    "KEY-ID": id,
  });
}

/** The keys of an answer: their IDs and digests. */
function digests(answer: string): string[] {
  const { keys } = JSON.parse(answer) as { keys: { key_ID: string; key: string }[] };
  return keys.map(({ key_ID, key }) => {
    return `${key_ID} ${hash("sha256", Buffer.from(key, "base64"), "hex")}`;
  });
}

testWith("curl", "curl gets the same key at both ends", async (t) => {
  const world = await twoApplications(t);
  const given = digests(await world.type(block(pageFor(world), "sh", "a")));
  const id = given[0]?.split(" ")[0];
  t.deepEqual(digests(await world.type(block(pageFor(world, id), "sh", "b"))), given);
});

testWith("python3", "Python's standard library gets the same key at both ends", async (t) => {
  const world = await twoApplications(t);
  const page = pageFor(world);
  const program = "standard-library.py";
  writeFileSync(join(world.folder, program), block(page, "python", program));
  const given = await world.type(block(page, "sh", "python"));
  t.regex(given, /^[0-9a-f-]{36} [0-9a-f]{64}\n$/);
  const fetch = `python3 ${program} app-b ${world.kms.bob.url} app-a ${given.split(" ")[0]}`;
  t.is(await world.type(fetch), given);
  await t.throwsAsync(world.type(fetch), { message: /HTTP Error 400/ }, "once");
});

/** A package, and no program: asked for as one that is not there where it is missing. */
function withRequests(): string {
  const python = find("python3");
  try {
    execFileSync(python ?? "python3", ["-c", "import requests"], { stdio: "ignore" });
    return "python3";
  } catch {
    return "python3-requests";
  }
}

testWith(withRequests(), "requests gets three keys at both ends", async (t) => {
  const world = await twoApplications(t);
  const program = "with-requests.py";
  writeFileSync(join(world.folder, program), block(pageFor(world), "python", program));
  const { alice, bob } = world.kms;
  const given = await world.type(`python3 ${program} app-a ${alice.url} app-b`);
  const ids = given.match(/^[0-9a-f-]{36}/gm) ?? [];
  t.is(ids.length, 3);
  const fetched = await world.type(`python3 ${program} app-b ${bob.url} app-a ${ids.join(" ")}`);
  t.is(fetched, given);
});
