/** Names of modules in a key manager's configuration may change hands: what was confirmed of a module stays so. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { eventually } from "../eventually.ts";
import { KmNet, moduleSide, supply } from "../rig/km-net.ts";
import { deadline } from "../rig/with-rig.ts";

test("two modules that swap their names bring no key a second time", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-km-names-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const fibres = [
    ["a", "b"],
    ["b", "c"],
    ["a", "c"],
  ] as const;
  const net = await KmNet.make({ folder, kms: ["a", "b", "c"], fibres, far: [] });
  t.teardown(() => net.stop());
  await net.start(deadline());
  const keys = Array.from({ length: 4 }, (_, i) => {
    return { id: randomUUID(), key: Buffer.alloc(1_024, i + 1).toString("base64") };
  });
  const both = async () => {
    const [a, b] = [moduleSide(net.km("a")), moduleSide(net.km("b"))];
    const first = await supply(a, "QKD-a-b", "QKD-b-a", 1_024, keys);
    return [first, await supply(b, "QKD-b-a", "QKD-a-b", 1_024, keys)];
  };
  const link = async (km: string) => {
    const { links } = await net.km(km).status();
    return links.find(({ peer }) => peer === (km === "a" ? "km-b" : "km-a"));
  };
  const matched = async () => [(await link("a"))?.matched_bits, (await link("b"))?.matched_bits];
  t.deepEqual(await both(), [4, 4]);
  const all = 4 * 8_192;
  await eventually("all are matched", async () => (await matched()).join(), {
    is: `${all},${all}`,
  });
  await net.stop();
  for (const [km, one, other] of [
    ["a", "b", "c"],
    ["b", "a", "c"],
  ] as const) {
    const file = net.km(km).config;
    const text = readFileSync(file, "utf8")
      .replace(`[module.to-${one}]`, "[module.swapped]")
      .replace(`[module.to-${other}]`, `[module.to-${one}]`)
      .replace("[module.swapped]", `[module.to-${other}]`);
    writeFileSync(file, text);
  }
  for (const { process } of net.kms) process.lines.length = 0;
  await net.start(deadline());
  // Answered, as repeats are, and nothing comes of it.
  t.deepEqual(await both(), [4, 4]);
  await eventually("the link is up", async () => (await link("a"))?.session, { is: "ready" });
  const status = await net.km("a").status();
  t.deepEqual(
    status.modules.map(({ repeats, received_keys }) => [repeats, received_keys]).toSorted(),
    [
      [0, 0],
      [4, 0],
    ],
  );
  t.deepEqual(await matched(), [all, all]);
});
