import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { keyBytes } from "../conformance/qmlp.ts";
import { createAuthority, writeIdentity } from "../emulator/certificates.ts";
import { presets } from "../emulator/physics/bb84.ts";
import { PhysicalLink } from "../emulator/physics/link.ts";
import { physicsSource } from "../emulator/source/physics.ts";
import { eventually } from "../eventually.ts";
import { testWholeWith, testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { isForEverybody } from "../rig/accessible.ts";
import { Browser, type BrowserPage, browserProgram } from "../rig/browser.ts";
import { freePort } from "../rig/free-port.ts";
import { withNode } from "../rig/one-node.ts";
import { Rig } from "../rig/rig.ts";
import { ask, assets, queries } from "../rig/web-bench.ts";

const deadline = () => patience(30_000);
// How long ago the last one was is said on a machine that is slow.
const flows = `/^Keys flow(, the last one \\d+ s ago)?$/.test(document.querySelector("#verdict-text").textContent)`;
const live = `document.body.dataset.link === "live"`;

interface Bench {
  readonly rig: Rig;
  readonly page: BrowserPage;
  readonly url: string;
}

/** A whole link with physics, and a browser that looks at alice's page. */
async function looking(
  program: string,
  body: (bench: Bench) => Promise<void>,
  web?: string,
): Promise<void> {
  const link = new PhysicalLink(presets.gys, { km: 15 }, 3);
  const source = physicsSource({ name: "gys", link, seed: 3, seconds: 0.25, clock: systemClock });
  await using browser = await Browser.start(program);
  const rig = await Rig.start({
    source,
    link,
    baud: 0,
    blockIntervalMs: 250,
    keyBits: 256,
    ...(web !== undefined && { web: { alice: web } }),
  });
  try {
    await rig.until("the page is served", () => rig.alice.page !== undefined);
    const url = rig.alice.page as string;
    await rig.until("both KMs hold 4 keys", () => rig.holds(4));
    const page = await browser.page();
    await body({ rig, page, url });
  } finally {
    await rig.close();
  }
}

testWith(
  browserProgram,
  "the page shows what the daemon has, and goes on showing it",
  async (t, program) => {
    await looking(program, async ({ rig, page, url }) => {
      await page.open(url);
      await page.until(live, deadline());
      await eventually("the node's ID", () => page.text("#own-id"), { is: "node-alice" });
      await page.until(flows, deadline());

      // Keys count and plots move while key is distilled.
      const keys = `Number(document.querySelector("#figure-keys .value").textContent.replace(/\\D/g, ""))`;
      const first = await page.evaluate<number>(keys);
      const picture = (id: string) =>
        page.evaluate<string>(`document.querySelector("#${id} canvas").toDataURL()`);
      await page.until(`document.querySelector("#plot-rate canvas") !== null`, deadline());
      const before = [await picture("plot-qber"), await picture("plot-rate")];
      await page.until(`${keys} > ${first + 10}`, deadline());
      await page.until(
        `/from 0 |from \\d/.test(document.querySelector("#plot-qber").ariaLabel)`,
        deadline(),
      );
      const moved = (was: string | undefined) => ({ when: (now: string) => now !== was });
      await eventually("the plot of rates", () => picture("plot-rate"), moved(before[1]));
      await eventually("the plot of QBER", () => picture("plot-qber"), moved(before[0]));

      // At rest each number is the one that the manager and the KM have.
      for (const end of rig.pair.ends) end.module.running = false;
      const { store } = rig.alice.km;
      const counters = () => rig.view.counters("node-alice");
      await rig.until("keys that are not confirmed", () => store.size - counters().confirmed, {
        is: 0,
      });
      await page.until(`${keys} === ${store.size}`, deadline());
      // What the daemon has and what the screen shows, at one moment; telemetry goes on.
      const shown = async () => {
        const [text, qber, rate] = await page.evaluate<[string, string, string]>(
          `fetch("/api/state").then((answer) => answer.text()).then((text) => [text,
          ...["qber", "rate"].map((name) => document.querySelector("#figure-" + name + " .value").textContent)])`,
        );
        const [module] = JSON.parse(text).modules;
        return { text, module, qber, rate };
      };
      const seen = await rig.until("page, manager and KM agree", shown, {
        when: ({ module: { figures, supply }, qber, rate }) => {
          const [value, unit] = rate.split(" ");
          return (
            supply.bits === store.summary().bits &&
            figures.qber.last === rig.view.node("node-alice").figures.qber &&
            qber === `${(figures.qber.last * 100).toFixed(2)} %` &&
            unit === "kbit/s" &&
            // Three digits of it.
            Math.abs(Number(value) * 1_000 - figures.secret_key_rate.last) <= 20
          );
        },
      });
      const { module } = seen;
      const state = JSON.parse(seen.text);
      t.is(await page.text("#figure-qber .note"), "limit 11.0 %");
      t.is(module.supply.confirmed, store.size);
      t.is(module.supply.bits, store.summary().bits);
      t.regex(await page.text("#stop-km"), /^KM local ?connected127\.0\.0\.1:\d+, TLS 1\.3/);
      const identity = await page.text("#identity");
      for (const text of ["QKD-A-0001", "QKD-B-0001", "EMU-0001-A", state.node.configuration]) {
        t.true(identity.includes(text), text);
      }
      for (const matches of [/KM connected/, /Module connected/]) {
        await eventually("events", () => page.text("#event-list"), { matches });
      }

      // Nothing was fetched elsewhere, and neither policy nor script complained.
      t.deepEqual(
        page.requests.filter((request) => !request.startsWith(url) && request !== "about:blank"),
        [],
      );
      t.deepEqual(page.complaints, []);
      const values = await page.evaluate<number>(
        `performance.getEntriesByName("first-state")[0].startTime`,
      );
      t.log(`first values ${values.toFixed(0)} ms`);
      const painted = async (address: string) => {
        await page.open(address);
        const first = `performance.getEntriesByName("first-contentful-paint")[0]?.startTime`;
        return page.until<number>(first, deadline());
      };
      // The same browser, with a line of text that comes from nowhere; the best of some, where others are busy.
      let [paint, bare] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      const times = async () => {
        paint = Math.min(paint, await painted(url));
        bare = Math.min(bare, await painted("data:text/html,<p>a line of text"));
        return paint / bare;
      };
      await eventually("times that a line of text takes", times, { when: (ratio) => ratio < 20 });
      t.log(`first paint ${paint.toFixed(0)} ms, of a line of text ${bare.toFixed(0)} ms`);
    });
  },
);

testWholeWith(
  browserProgram,
  "an alarm is on the page within a second, with what to do, and is said aloud",
  async (t, program) => {
    await looking(program, async ({ rig, page, url }) => {
      await page.open(url);
      await page.until(live, deadline());
      await page.evaluate(`new MutationObserver(() => {
      const alarm = document.querySelector('[data-key="module_fault.alice.laser_fault"]');
      if (alarm !== null) window.seenAt ??= Date.now();
    }).observe(document.querySelector("#alarm-list"), { childList: true })`);
      rig.pair.alice.module.event({
        code: "laser_fault",
        severity: "critical",
        text: "laser overheats",
      });
      const seenAt = await page.until<number>("window.seenAt", deadline());
      const { alarms } = JSON.parse(
        await page.evaluate<string>(`fetch("/api/state").then((answer) => answer.text())`),
      );
      const alarm = alarms.find(({ name }: { name: string }) => name === "module_fault");
      const late = seenAt - Date.parse(alarm.raised);
      // What a question to the daemon takes on this machine, several times.
      const trips = await page.evaluate<number>(`(async () => {
        const begun = performance.now();
        for (let i = 0; i < 10; i++) await (await fetch("/api/state")).text();
        return performance.now() - begun;
      })()`);
      t.log(
        `on the page ${late} ms after it was raised; ten questions take ${trips.toFixed(0)} ms`,
      );
      t.true(late < 1_000 + trips, `${late} ms`);
      const card = await page.text('[data-key="module_fault.alice.laser_fault"]');
      t.true(card.includes("Critical · alice.laser_fault"), card);
      t.true(card.includes("The module reports a fault of its own"), card);
      t.true(card.includes("laser_fault: laser overheats"), card);
      t.true(card.includes("What to do: see the detail"), card);
      await page.until(
        `document.querySelector("#announce").textContent.includes("critical")`,
        deadline(),
      );
      await page.until(`document.title.startsWith("(2)")`, deadline());
      await eventually("events", () => page.text("#event-list"), {
        matches: /Alarm raised: module fault/,
      });
      await page.until(`document.querySelector("#verdict").dataset.level === "bad"`, deadline());
      rig.pair.alice.module.event({ code: "laser_fault", severity: "cleared", text: "" });
      await page.until(
        `document.querySelector('[data-key="module_fault.alice.laser_fault"]') === null`,
        deadline(),
      );
      t.deepEqual(page.complaints, []);
    });
  },
);

testWholeWith(
  browserProgram,
  "the page finds the daemon again after it was killed, by itself",
  async (t, program) => {
    const port = await freePort();
    await looking(
      program,
      async ({ rig, page, url }) => {
        t.is(url, `http://127.0.0.1:${port}/`);
        await page.open(url);
        await page.until(live, deadline());
        await eventually("boot", () => page.text("#identity"), { matches: /number 1,/ });
        await page.evaluate("window.same = true");
        await rig.alice.node.stop("SIGKILL");
        await page.until(`document.body.dataset.link === "lost"`, deadline());
        t.regex(await page.text("#lost"), /^No connection to the node since \d\d:\d\d:\d\d UTC/);
        rig.alice.node.start();
        await page.until(
          `${live} && /number 2,/.test(document.querySelector("#identity").textContent)`,
          deadline(),
        );
        await page.until(`document.querySelector("#lost").hidden`, deadline());
        t.true(await page.evaluate<boolean>("window.same"), "it was not loaded anew");
        await page.until(
          `/KM connected/.test(document.querySelector("#event-list").textContent)`,
          deadline(),
        );
        await page.until(flows, deadline());
      },
      `port = ${port}`,
    );
  },
);

testWholeWith(
  browserProgram,
  "for everybody: keyboard, phone, light and dark by WCAG 2.2 AA",
  async (t, program) => {
    await looking(program, async ({ rig, page, url }) => {
      await page.open(url);
      await page.until(live, deadline());
      rig.pair.alice.module.event({ code: "laser_fault", severity: "major", text: "laser" });
      rig.pair.alice.module.event({ code: "detector_fault", severity: "minor", text: "fan" });
      await page.until(`document.querySelectorAll(".alarm").length >= 3`, deadline());
      await page.until(`document.querySelector("#plot-rate canvas") !== null`, deadline());
      await isForEverybody(t, page);
      const focused = () => page.evaluate<string>("document.activeElement.textContent.trim()");
      await page.press("Tab");
      t.is(await focused(), "Skip to alarms");
      await page.press("Enter");
      await page.until(`location.hash === "#alarms"`, deadline());
      await page.evaluate(`document.querySelector('[data-window="1h"]').focus()`);
      await page.press("Enter");
      await page.until(
        `document.querySelector('[data-window="1h"]').ariaPressed === "true"`,
        deadline(),
      );
      await page.until(
        `document.querySelector("#plot-qber").ariaLabel.startsWith("QBER over the last 1h: from")`,
        deadline(),
      );
      await page.click("#theme");
      t.is(await page.evaluate("document.documentElement.dataset.theme"), "light");
      await page.open(url);
      await page.until(live, deadline());
      t.is(await page.evaluate("document.documentElement.dataset.theme"), "light");
      t.deepEqual(page.complaints, []);
    });
  },
);

testWith(
  browserProgram,
  "on a service port nothing is shown without a login over TLS",
  async (t, program) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-page-"));
    const authority = await createAuthority("page CA");
    const identity = await authority.issue({
      commonName: "node",
      dns: ["localhost"],
      usage: "server",
      days: 90,
    });
    const { cert, key } = await writeIdentity(folder, "web", identity);
    const file = join(folder, "password");
    writeFileSync(file, "let me in, please\n", { mode: 0o600 });
    const q = JSON.stringify;
    const web = `host = "0.0.0.0"\nport = 0\ncert = ${q(cert)}\nkey = ${q(key)}\npassword_file = ${q(file)}`;
    await looking(
      program,
      async ({ rig, page, url: shown }) => {
        const url = shown.replace("0.0.0.0", "localhost");
        t.regex(url, /^https:/);
        await page.open(url);
        const door = `location.pathname === "/login" && document.querySelector("#password") !== null`;
        await page.until(door, deadline());
        t.is(await page.evaluate(`fetch("/api/state").then(({ status }) => status)`), 401);
        const enter = async (text: string) => {
          await page.click("#password");
          await page.type(text);
          await page.click("button");
        };
        await enter("open sesame, now");
        await page.until(
          `document.querySelector(".wrong")?.textContent === "Wrong password."`,
          deadline(),
        );
        await enter("let me in, please");
        await page.until(live, deadline());
        t.is(await page.evaluate("document.cookie"), "");
        await page.until(flows, deadline());
        await page.click("#logout button");
        await page.until(door, deadline());
        t.is(await page.evaluate(`fetch("/api/state").then(({ status }) => status)`), 401);
        for (const line of rig.alice.node.lines) t.notRegex(line, /let me in|sesame/);
      },
      web,
    );
    rmSync(folder, { recursive: true });
  },
);

test.serial("no answer of the page holds a byte of key, in any spelling", async (t) => {
  await withNode({ transport: "tls", mode: "proactive" }, async (bench) => {
    const key = keyBytes(7, 1_024);
    bench.distil(Buffer.from(key));
    await bench.until(
      "the key is at the KM and released",
      () => bench.km.store.size === 1 && bench.end.module.heldBlocks === 0,
    );
    const line = await bench.node.logged(/at=node\.web msg="page"/, deadline());
    const url = /url=(\S+)/.exec(line)?.[1] as string;
    const part = key.subarray(0, 12);
    const spellings = (["hex", "base64", "latin1"] as const).map((name) => part.toString(name));
    spellings.push(part.toString("hex").toUpperCase(), [...part].join(","));
    let told = "";
    for (const path of [...assets, ...queries, "/readyz"]) {
      const { status, body } = await ask(url, path);
      t.is(status, 200, path);
      told += body.toString("latin1");
    }
    t.true(told.includes('"confirmed":1'));
    for (const spelling of spellings) t.false(told.includes(spelling));
  });
});
