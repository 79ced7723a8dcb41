/** The page of a key manager, in a real browser, of key managers that run. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { kmPage } from "../../src/km/page/program.ts";
import { loadAssets } from "../../src/ops/page/assets.ts";
import { keyStream } from "../emulator/source/physics.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { testWhole, testWholeWith, testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { isForEverybody } from "../rig/accessible.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import { Browser, type BrowserPage, browserProgram } from "../rig/browser.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { hasReader, readMetrics } from "../rig/openmetrics.ts";
import { Rig } from "../rig/rig.ts";
import { ask } from "../rig/web-bench.ts";
import { spellings } from "../rig/writings.ts";

const deadline = () => patience(30_000);
const live = `document.body.dataset.link === "live"`;
const verdict = (text: string) =>
  `document.querySelector("#verdict-text").textContent === ${JSON.stringify(text)}`;
const [seed, blockBits, blocks] = [11, 8_192, 40];

interface World {
  readonly rig: Rig;
  readonly kms: KmPair;
  readonly url: string;
}

/** A whole link with keys in stock at both ends, and alice's page. */
async function world(t: ExecutionContext, web = "port = 0"): Promise<World> {
  const rig = await Rig.start({
    source: seedSource({ seed, blockBits, blocks, clock: systemClock }),
    baud: 0,
    keyBits: 256,
    realKms: true,
    kmWeb: web,
  });
  t.teardown(() => rig.close());
  const kms = rig.kms as KmPair;
  const matched = async () => (await kms.alice.status()).links[0]?.matched_bits;
  await rig.until("all is matched", matched, { is: blocks * blockBits });
  await rig.until("the page is served", () => kms.alice.page !== undefined);
  return { rig, kms, url: kms.alice.page as string };
}

async function looking(
  t: ExecutionContext,
  program: string,
  body: (bench: World & { readonly page: BrowserPage }) => Promise<void>,
): Promise<void> {
  await using browser = await Browser.start(program);
  const bench = await world(t);
  const page = await browser.page();
  await page.open(bench.url);
  await page.until(live, deadline());
  await body({ ...bench, page });
}

testWith(
  browserProgram,
  "the key manager's page shows stock, rates, matching and who is who, and goes on showing it",
  async (t, program) => {
    await looking(t, program, async ({ kms, page, url, rig }) => {
      await eventually("its ID", () => page.text("#own-id"), { is: "km-alice" });
      await page.until(verdict("Keys are compared and ready"), deadline());
      const status = await kms.alice.status();
      t.is(status.verdict?.code, "ready");
      const [link] = status.links;
      const own = Math.floor((link?.stock_bits ?? 0) / 256);
      t.is(await page.text("#figure-own .note"), `${own} keys of 256 bit`);
      t.regex(await page.text("#stop-matching"), /^Other KM: km-bob ?connected/);
      t.regex(await page.text("#matching"), /Differing ?0 keys/);
      const details = await page.text("#details");
      for (const text of ["QKD-A-0001", "QKD-B-0001", "node-alice", "X25519MLKEM768"]) {
        t.true(details.includes(text), text);
      }
      for (const matches of [/books compared/, /Node connected/]) {
        await eventually("events", () => page.text("#event-list"), { matches });
      }
      await page.until(
        `/of both from/.test(document.querySelector("#plot-stock").ariaLabel)`,
        deadline(),
      );

      // Applications take keys: stock falls, and the page says so by itself.
      const [a] = kms.alice.applications.map((one) => new ApplicationClient(kms.alice, one));
      const [b] = kms.bob.applications.map((one) => new ApplicationClient(kms.bob, one));
      if (a === undefined || b === undefined) return t.fail();
      t.teardown(() => void [a.close(), b.close()]);
      const given = heldKeys(await a.encKeys(b.sae, 20));
      const ids = given.map(({ id }) => id);
      t.is((await b.decKeys(a.sae, ids)).status, 200);
      const fetched = { matches: /20 keys handed out here, 0 refused.*5\.12 kbit fetched/ };
      await eventually("applications", () => page.text("#stop-applications"), fetched);
      t.regex(await page.text("#details"), /Applications app-a, app-b ?Questions ?1/);

      // No key comes any more from now on, and the other end goes: the first thing that is wrong is said.
      await rig.alice.node.stop();
      await kms.bob.process.stop();
      await page.until(verdict("The other key manager is not connected"), deadline());
      t.regex(await page.text("#verdict-todo"), /^What to do: Look at km-bob/);
      await eventually("events", () => page.text("#event-list"), {
        matches: /Other key manager lost/,
      });
      t.is(await page.evaluate("document.querySelector('#verdict').dataset.level"), "bad");

      // Nothing was fetched elsewhere, and neither policy nor script complained.
      t.deepEqual(
        page.requests.filter((request) => !request.startsWith(url) && request !== "about:blank"),
        [],
      );
      t.deepEqual(page.complaints, []);
    });
  },
);

testWholeWith(
  browserProgram,
  "the key manager's page is for everybody: keyboard, phone, light and dark by WCAG 2.2 AA",
  async (t, program) => {
    await looking(t, program, async ({ kms, page }) => {
      // With an alarm on it: the other key manager loses its disk, after a session that began with keys.
      const { process, state } = kms.bob;
      const isReady = verdict("Keys are compared and ready");
      await process.stop();
      // Else what the page still shows of the session before would be taken for the next.
      await page.until(`!(${isReady})`, deadline());
      await kms.bob.start(deadline());
      await page.until(isReady, deadline());
      await process.stop();
      rmSync(state, { recursive: true });
      await kms.bob.start(deadline());
      await page.until(`document.querySelectorAll(".alarm").length > 0`, deadline());
      await page.until(`document.querySelector("#plot-rate canvas") !== null`, deadline());
      t.regex(await page.text(".alarm"), /^Critical · fibre.*The disk of a key manager is older/);
      t.is(await page.evaluate("document.querySelector('#verdict').dataset.level"), "bad");
      t.regex(await page.text(".alarm .type"), /At the key manager, type: qkd-km doctor/);
      await isForEverybody(t, page);
      const focused = () => page.evaluate<string>("document.activeElement.textContent.trim()");
      await page.press("Tab");
      t.is(await focused(), "Skip to alarms");
      await page.press("Enter");
      await page.until(`location.hash === "#alarms"`, deadline());
      await page.evaluate(`document.querySelector('[data-window="1h"]').focus()`);
      await page.press("Enter");
      await page.until(
        `document.querySelector("#plot-stock").ariaLabel.startsWith("Stock over the last 1h: of both from")`,
        deadline(),
      );
      await page.click(`[data-records="log"]`);
      await eventually("the log", () => page.text("#log-list"), { matches: /msg="running"/ });
      t.deepEqual(page.complaints, []);
    });
  },
);

test.serial(
  "metrics and health are at the same door, and no answer has a byte of key",
  async (t) => {
    const { kms, url } = await world(t);
    const accept = { accept: "application/openmetrics-text; version=1.0.0" };
    const metrics = await ask(url, "/metrics", { headers: accept });
    t.is(metrics.status, 200);
    const text = metrics.body.toString();
    t.regex(text, /^qkd_km_matched_bits_total\{link="fibre"\} 327680$/m);
    t.regex(text, /^qkd_km_ready\{link="fibre"\} 1$/m);
    if (hasReader) t.is(readMetrics(text).wrong, "");
    t.is((await ask(url, "/healthz")).status, 200);
    t.is((await ask(url, "/readyz")).status, 200);
    const needles = Array.from({ length: blocks }, (_, n) => keyStream(seed, n, blockBits)).flatMap(
      (key) => [0, 1, 2].flatMap((at) => spellings(key.subarray(at, at + 12))),
    );
    const own = [...loadAssets(kmPage).keys()].filter((path) => path !== "/login");
    const asked = [
      "/api/state",
      "/api/events",
      "/api/log?search=",
      "/api/history?link=fibre&window=15m",
    ];
    const more = ["/api/history.csv?link=fibre&window=15m", "/metrics", "/readyz"];
    let told = Buffer.alloc(0);
    for (const path of [...own, ...asked, ...more]) {
      const { status, body } = await ask(url, path);
      t.is(status, 200, path);
      told = Buffer.concat([told, body]);
    }
    t.true(told.includes('"matched_bits":327680'));
    for (const needle of needles) t.false(told.includes(needle));
    for (const path of ["/api/history?link=none&window=15m", "/api/history?link=fibre&window=1y"]) {
      t.is((await ask(url, path)).status, 404, path);
    }
    await kms.bob.process.stop();
    await eventually("not ready", async () => (await ask(url, "/readyz")).status, { is: 503 });
  },
);

testWhole.serial(
  "on a service port it is shown with a login over TLS, under a cookie of its own",
  async (t) => {
    const { kms, url: before } = await world(t);
    const past = async () => (await ask(before, "/api/history?link=fibre&window=15m")).body;
    await eventually("the charts have a figure", async () => String(await past()), {
      matches: /"series".*\d/,
    });
    const folder = kms.alice.state.replace(/\/alice$/, "");
    const { cert, key } = kms.alice.own;
    writeFileSync(`${folder}/page.password`, "let me in, please\n", { mode: 0o600 });
    const config = `${folder}/alice.toml`;
    const text = readFileSync(config, "utf8");
    const web = `[web]\nhost = "0.0.0.0"\nport = 0\ncert = "${cert}"\nkey = "${key}"\npassword_file = "page.password"\n`;
    writeFileSync(config, text.replace(/\[web\][\s\S]*$/, web));
    await kms.alice.process.stop();
    // What the charts had is on the disk, for the next start.
    const kept = readdirSync(kms.alice.state).filter((name) => name.startsWith("history-fibre."));
    t.is(kept.length, 1);
    t.true(statSync(`${kms.alice.state}/${kept[0]}`).size > 100);
    await kms.alice.start(deadline());
    await eventually("the page", () => kms.alice.page !== undefined, { is: true });
    const url = (kms.alice.page as string).replace("0.0.0.0", "127.0.0.1");
    t.regex(url, /^https:/);
    t.is((await ask(url, "/api/state")).status, 401);
    // To a stranger no more than yes or no.
    const told = JSON.parse((await ask(url, "/readyz")).body.toString());
    t.deepEqual(Object.keys(told), ["ready"]);
    const form = await ask(url, "/login");
    t.regex(form.body.toString(), /<h1>Key manager<\/h1>/);
    const { status, headers } = await ask(url, "/login", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", origin: new URL(url).origin },
      body: "password=let+me+in%2C+please",
    });
    t.is(status, 303);
    t.is(headers.location, "/");
    const [cookie = ""] = headers["set-cookie"] ?? [];
    t.regex(cookie, /^__Host-qkd-km=/);
    const [pair = ""] = cookie.split(";");
    t.is((await ask(url, "/api/state", { headers: { cookie: pair } })).status, 200);
  },
);
