/** Names of modules in a key manager's configuration may change hands: what was confirmed of a module stays so. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { eventually } from "../eventually.ts";
import { KmNet } from "../rig/km-net.ts";
import { deadline } from "../rig/with-rig.ts";

/** Supplies keys to a key manager as a module's node, over plain TCP. @returns when all are answered */
function supply(port: number, module: string, matching: string, ids: readonly string[]) {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = connect({ host: "127.0.0.1", port });
  let text = "";
  let answers = 0;
  socket.on("error", reject).setEncoding("latin1");
  socket.on("data", (chunk) => {
    text += chunk;
    answers = text.split('"success"').length - 1;
    if (answers === ids.length) socket.destroy();
  });
  socket.on("close", () => resolve(answers));
  for (const [i, key_ID] of ids.entries()) {
    const key = Buffer.alloc(1_024, i + 1).toString("base64");
    const names = { qkd_module_ID: module, matching_qkd_module_ID: matching };
    const payload = Buffer.from(JSON.stringify({ ...names, key_ID, key_length: 8_192, key }));
    const header = Buffer.alloc(10);
    header.writeUInt16BE(1, 0);
    header.writeUInt32BE(i + 1, 2);
    header.writeUInt16BE(1, 6);
    header.writeUInt16BE(payload.length, 8);
    socket.write(Buffer.concat([header, payload]));
  }
  return promise;
}

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
  const ids = Array.from({ length: 4 }, () => randomUUID());
  const both = async () => {
    const a = await supply(net.km("a").kq1, "QKD-a-b", "QKD-b-a", ids);
    return [a, await supply(net.km("b").kq1, "QKD-b-a", "QKD-a-b", ids)];
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
