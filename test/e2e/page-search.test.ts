/** Events that are searched for on a page that stays open: bounded, and whole after a connection that was away. */
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { pageContent } from "../../src/node/page/content.ts";
import { WebServer } from "../../src/ops/page/server.ts";
import { testWholeWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, browserProgram } from "../rig/browser.ts";
import { shownNode } from "../rig/web-bench.ts";

testWholeWith(
  browserProgram,
  "a search knows what the program knows, however long the page is open",
  async (t, program) => {
    await using browser = await Browser.start(program);
    const node = shownNode(systemClock);
    const happen = (count: number, note: string) => {
      const fact = { module: "alice", at: systemClock.wall(), facts: { note } };
      for (let i = 0; i < count; i++) node.history.add({ type: "km_up", ...fact });
    };
    const open = async (port: number) => {
      const server = new WebServer(
        { host: "127.0.0.1", port, names: [], secure: undefined },
        { content: pageContent(node, systemClock), clock: systemClock, log: silentLog },
      );
      return { server, url: await server.listen() };
    };
    const found = (text: string) =>
      page.until(
        `document.querySelector("#found").textContent === ${JSON.stringify(text)}`,
        patience(30_000),
      );

    happen(500, "oak");
    const first = await open(0);
    t.teardown(() => first.server.close());
    const page = await browser.page();
    await page.open(first.url);
    await page.until(`document.body.dataset.link === "live"`, patience(30_000));
    await page.click("#search");
    await page.type("note");
    await found("500 events found");
    happen(90, "elm");
    await found("512 events found");

    // More happens while it is away than a browser is told when it comes back.
    await page.evaluate(`const box = document.querySelector("#search");
      box.value = "note birch"; box.dispatchEvent(new Event("input", { bubbles: true }))`);
    await found("0 events found");
    await first.server.close();
    happen(1, "birch");
    happen(150, "elm");
    const again = await open(Number(new URL(first.url).port));
    t.teardown(() => again.server.close());
    await found("1 event found");
    t.regex(await page.text("#event-list"), /birch/);

    // An answer that comes when its search is over is kept for no other: that one asks itself.
    const search = (text: string) =>
      page.evaluate(`box.value = ${JSON.stringify(text)};
        box.dispatchEvent(new Event("input", { bubbles: true }))`);
    await page.evaluate(`var box = document.querySelector("#search");
      var [asked, answered, free] = [0, 0, undefined];
      var real = window.fetch, held = new Promise((resolve) => { free = resolve; });
      window.fetch = async (path, ...more) => {
        if (path !== "/api/events") return real(path, ...more);
        asked++;
        await held;
        const answer = await real(path, ...more);
        const text = async () => {
          const told = await answer.text();
          answered++;
          return told;
        };
        return { ok: answer.ok, text };
      }; undefined`);
    await search("");
    await search("note birch");
    await page.until("asked === 1", patience(30_000));
    await search("");
    await page.evaluate("free()");
    await page.until("answered === 1", patience(30_000));
    await search("note birch");
    await page.until("asked === 2", patience(30_000));
    await found("1 event found");
  },
);
