/** What people see of relays: on the page, on the command line and in metrics, of the same key managers. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { ExecutionContext } from "ava";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, browserProgram } from "../rig/browser.ts";
import { KmNet } from "../rig/km-net.ts";
import { programPath } from "../rig/programs.ts";
import { ask } from "../rig/web-bench.ts";

/** Three in a row of which the ends have a pool of 16 relays, that an operator ordered and nothing adds to. */
async function row(t: ExecutionContext): Promise<KmNet> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-relay-`);
  t.teardown(() => rm(folder, { recursive: true }));
  const table = `routes = [["km-b"]]\nscheme = "destination"\npool = "manual"\nbatch_bits = 16384`;
  const net = await KmNet.make({
    folder,
    kms: ["a", "b", "c"],
    fibres: [
      ["a", "b"],
      ["b", "c"],
    ],
    far: [{ ends: ["a", "c"], table: (end) => (end === "a" ? table : "") }],
    bare: (km) => km === "b",
    door: "prepared_keys = 0\n",
    relay: (km) => `within_s = 20${km === "b" ? `\ntransit = [["km-a", "km-c"]]` : ""}`,
    more: (km) => (km === "c" ? "" : "[web]\nport = 0\n"),
  });
  t.teardown(() => net.stop());
  await net.start(patience(30_000));
  await net.feedAll(16);
  return net;
}

testWith(
  browserProgram,
  "stock of a pair, by method, and what it cost in pads: the same on the page, in the status and in metrics",
  async (t, program) => {
    await using browser = await Browser.start(program);
    const net = await row(t);
    const [a, b] = [net.km("a"), net.km("b")];
    const command = (...words: string[]) =>
      spawnSync(programPath("qkd-km"), [...words, "--config", a.config], { encoding: "utf8" });
    // Until there are pads, the order waits.
    await eventually("c is linked", () => a.status(), {
      when: ({ links }) => links.every(({ session }) => session === "ready"),
    });
    t.is(command("relay", "--link", "c", "--bits", "262144").status, 0);
    const { relay } = await eventually("what was ordered is stock", () => a.status(), {
      when: (status) => status.relay?.pairs[0]?.methods[0]?.stock_bits === 262_144,
    });
    const [method] = relay?.pairs[0]?.methods ?? [];
    // Two hops, each with the pad of its tag; and that of the XOR, of b's link to c.
    const pads = 2 * 262_144 + 16 * 3 * 256;
    // What is on its way from the buffer to stock is not taken for use, which an adaptive pool would make up for.
    t.is(relay?.pairs[0]?.used_bits_per_s, 0);
    t.like(method, { scheme: "destination", relays: 16, bits: 262_144, pad_bits: pads });

    t.regex(
      command("status").stdout,
      /^c +destination +32(\.\d)? KiB +32(\.\d)? KiB +\S+ KiB +\d+$/m,
    );

    const urlOf = async (name: "a" | "b") => {
      const line = await net.km(name).process.logged(/at=km\.web msg="page"/, patience(20_000));
      return /url=(\S+)/.exec(line)?.[1] as string;
    };
    const [url, passing] = [await urlOf("a"), await urlOf("b")];
    const metrics = (await ask(url, "/metrics")).body.toString();
    const labels = `link="c",scheme="destination"`;
    for (const [name, value] of [
      ["relay_stock_bits", 262_144],
      ["relayed_bits_total", 262_144],
      ["relay_pad_bits_total", pads],
    ] as const) {
      t.true(metrics.includes(`qkd_km_${name}{${labels}} ${value}\n`), name);
    }
    const passed = (await ask(passing, "/metrics")).body.toString();
    t.true(passed.includes(`qkd_km_relay_passed_bits_total{role="transit"} 262144\n`));
    t.is((await b.status()).relay?.passed.relays, 16);

    const page = await browser.page();
    await page.open(url);
    await page.until(`document.querySelectorAll("#tabs button").length === 2`, patience(20_000));
    await page.click(`#tabs button[aria-label^="c:"]`);
    await eventually("the page of a", () => page.text("#details"), {
      matches:
        /Relayed by destination ?Stock ?262 kbit ?Relayed ?262 kbit ?Pads of all hops ?537 kbit/,
    });
    await page.open(passing);
    await eventually("the page of b", () => page.text("#details"), {
      matches: /Passed on for others ?Relays ?16 ?Key ?262 kbit/,
    });
    t.deepEqual(page.complaints, []);
  },
);
