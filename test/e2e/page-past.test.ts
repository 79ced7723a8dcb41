/** One clock with its zone, the search, what can be saved, and plots that outlive a restart: in a browser. */
import { systemClock } from "../../src/base/clock.ts";
import { presets } from "../emulator/physics/bb84.ts";
import { PhysicalLink } from "../emulator/physics/link.ts";
import { physicsSource } from "../emulator/source/physics.ts";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, browserProgram } from "../rig/browser.ts";
import { qkdNode } from "../rig/cli.ts";
import { Rig } from "../rig/rig.ts";

const deadline = () => patience(30_000);
const live = `document.body.dataset.link === "live"`;
const epoch = "00112233aabbccdd";

testWith(
  browserProgram,
  "times have a zone, events and log are searched, plots are saved and outlive a restart",
  async (t, program) => {
    const link = new PhysicalLink(presets.gys, { km: 15 }, 3);
    const source = physicsSource({ name: "gys", link, seed: 3, seconds: 0.25, clock: systemClock });
    await using browser = await Browser.start(program);
    const rig = await Rig.start({
      source,
      link,
      baud: 0,
      blockIntervalMs: 250,
      keyBits: 256,
      secureBroker: true,
    });
    try {
      await rig.until("the page is served", () => rig.alice.page !== undefined);
      await rig.until("both KMs hold 4 keys", () => rig.holds(4));
      const url = rig.alice.page as string;
      // Of this zone the offset is the same the whole year.
      const page = await browser.page({ timezoneId: "Asia/Kolkata" });
      await page.open(url);
      await page.until(live, deadline());

      // One zone, said wherever a time stands alone; and UTC at the press of a button.
      t.regex(await page.text("#live-text"), /^Live \d\d:\d\d:\d\d UTC\+5:30$/);
      t.is(await page.text("#plots-zone"), "UTC+5:30");
      t.regex(await page.text("#identity"), /number 1, 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\+5:30/);
      await page.until(
        `/KM connected/.test(document.querySelector("#event-list").textContent)`,
        deadline(),
      );
      const first = `document.querySelector("#event-list time").textContent`;
      const indian = await page.evaluate<string>(first);
      await page.click("#zone");
      await page.until(
        `/ UTC$/.test(document.querySelector("#live-text").textContent)`,
        deadline(),
      );
      const utc = await page.evaluate<string>(first);
      const minutes = (text: string) => {
        const [h = 0, m = 0] = text.slice(-8).split(":").map(Number);
        return h * 60 + m;
      };
      t.is((minutes(indian) - minutes(utc) + 1_440) % 1_440, 330);
      t.regex(await page.text("#identity"), /number 1, [^U]* UTC/);

      // The search finds events by their words, and lines of the log.
      await page.click("#search");
      await page.type("km CONN");
      await page.until(
        `/^\\d+ events? found$/.test(document.querySelector("#found").textContent)`,
        deadline(),
      );
      t.regex(await page.text("#event-list"), /KM connected/);
      t.notRegex(await page.text("#event-list"), /Module connected/);
      await page.click('[data-records="log"]');
      await page.until(
        `/KM connected/.test(document.querySelector("#log-list").textContent)`,
        deadline(),
      );
      t.regex(await page.text("#found"), /^\d+ lines? found, times in UTC$/);
      await page.click('[data-records="events"]');
      await page.evaluate(`const box = document.querySelector("#search"); box.value = "";
        box.dispatchEvent(new Event("input"))`);
      await page.until(
        `/Module connected/.test(document.querySelector("#event-list").textContent)`,
        deadline(),
      );

      // What is kept back says what to type.
      t.regex(await page.text("#stop-node"), /nothing kept back/);
      const kept = await qkdNode(["withhold", "alice", `${epoch}/7`, "--config", rig.alice.config]);
      t.is(kept.code, 0, kept.err);
      await page.until(
        `/1 kept back; type qkd-node kept alice/.test(document.querySelector("#stop-node").textContent)`,
        deadline(),
      );

      // A table of everything, a picture of what is seen.
      const csv = await page.evaluate<string>(
        `fetch("/api/history.csv?module=alice&window=15m").then((answer) => answer.text())`,
      );
      t.regex(csv, /^time,qber_mean,/);
      await page.until(`document.querySelector("#plot-rate canvas") !== null`, deadline());
      await page.evaluate(`const make = URL.createObjectURL.bind(URL);
      URL.createObjectURL = (blob) => {
        window.saved = { type: blob.type };
        void createImageBitmap(blob).then(({ width, height }) => Object.assign(window.saved, { width, height }));
        return make(blob);
      }; undefined`);
      await page.click("#png");
      const saved = await page.until<{ type: string; width: number; height: number }>(
        "window.saved?.width > 0 && window.saved",
        deadline(),
      );
      t.is(saved.type, "image/png");
      t.true(saved.width > 300 && saved.height > 300);

      t.deepEqual(page.complaints, []);

      // The plot goes on where the process before ended.
      const begun = `fetch("/api/state").then((answer) => answer.json()).then(({ node }) => node.started)`;
      const started = await page.evaluate<number>(begun);
      await rig.alice.node.stop();
      rig.alice.node.start();
      await rig.until(
        "the page of the restarted node",
        () => rig.alice.page !== undefined && rig.alice.page !== url,
      );
      await page.open(rig.alice.page as string);
      await page.until(live, deadline());
      const again = await page.evaluate<number>(begun);
      t.true(again > started);
      const old = `fetch("/api/history?module=alice&window=15m").then((answer) => answer.json())
        .then(({ start, step_ms, series }) => series.qber.mean.filter((value, i) => value !== null && start + i * step_ms < ${again} - 2_000).length)`;
      t.true(await page.until<boolean>(`${old}.then((n) => n > 0)`, deadline()));
    } finally {
      await rig.close();
    }
  },
);
