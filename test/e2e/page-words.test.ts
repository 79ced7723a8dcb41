/** Words of others on the pages: however long they are no page is wider than its screen, and none turns another round. */
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, type BrowserPage, browserProgram } from "../rig/browser.ts";
import { ControllerPageRig } from "../rig/controller-page.ts";
import { alarm, change, link, network, node, pair } from "../rig/controller-parts.ts";
import { serving } from "../rig/web-bench.ts";

const live = `document.body.dataset.link === "live"`;
const deadline = () => patience(30_000);

/** What goes beyond the screen, or beyond a panel of its own, at a width. */
async function tooWide(page: BrowserPage, width: number): Promise<string[]> {
  await page.shape(width, 800, width < 500);
  return page.evaluate<string[]>(`[
    ...(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []),
    ...[...document.querySelectorAll("main .panel, main .stop, main .value, main .table")]
      .filter((one) => one.scrollWidth > one.clientWidth + 4)
      .map((one) => one.id || one.className),
  ]`);
}

const path = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0";

testWith(
  browserProgram,
  "long names, paths and counts stay where they belong",
  async (t, program) => {
    await using browser = await Browser.start(program);
    const widths = [1_280, 768, 360];
    await serving(async ({ url, node: shown }) => {
      shown.health = { ...shown.health, text: `Module is not served: no such device ${path}` };
      shown.supply = { ...shown.supply, confirmed: 3_153_600_000 };
      const kms = [{ name: "k".repeat(64), condition: "UP" as const, trouble: "" }];
      Object.assign(shown.modules[0] ?? {}, { kms: () => kms });
      const page = await browser.page();
      await page.open(url);
      await page.until(`${live} && document.querySelector("#stop-km h3") !== null`, deadline());
      for (const width of widths) t.deepEqual(await tooWide(page, width), [], `node, ${width} px`);
      await page.close();
    });
    const [a, b] = [`km-${"a".repeat(60)}`, `km-${"b".repeat(60)}`] as const;
    const status = network({
      nodes: [node(a), node(b), node("km-c")],
      links: [link(a, b, { alarms: [alarm("qber_high", "critical")] }), link(b, "km-c")],
      pairs: [pair([a, b, "km-c"], { class: "z".repeat(64) })],
      open_sessions: 1_000_000_000,
    });
    await using rig = await ControllerPageRig.start(status);
    const page = await browser.page();
    await page.open(rig.url);
    await page.until(live, deadline());
    await page.click(`[data-list="pairs"]`);
    await page.click(`#list [data-kind="pair"]`);
    for (const width of widths) {
      t.deepEqual(await tooWide(page, width), [], `controller, ${width} px`);
      // A name beside a long route is not a column of single letters.
      const name = `document.querySelector('#list [data-kind="pair"]').clientWidth`;
      t.true((await page.evaluate<number>(name)) > 60, `${width} px`);
    }
    t.deepEqual(page.complaints, []);
  },
);

testWith(browserProgram, "names from right to left stay in their order", async (t, program) => {
  const names = ["Alice", "אבא", "עדה", "Bob"];
  const nodes = names.map((name, i) => node(`km-${i}`, { name }));
  const [first, ...others] = nodes.map(({ km }) => km) as [string, ...string[]];
  const turned = "\u202eevil";
  const status = network({
    controller: turned,
    nodes: [...nodes, node(turned, { site: turned })],
    links: others.map((km, i) => link(`km-${i}`, km)),
    pairs: [pair([first, ...others])],
    changes: [change(10, "node", turned, `${turned} is gone`)],
  });
  await using browser = await Browser.start(program);
  await using rig = await ControllerPageRig.start(status);
  const page = await browser.page();
  await page.open(rig.url);
  await page.until(live, deadline());
  await page.click(`[data-list="pairs"]`);
  // Where on the line each name of the route is.
  const places = await page.evaluate<number[]>(`(() => {
    const text = document.querySelector("#list td").firstChild;
    return ${JSON.stringify(names)}.map((name) => {
      const range = document.createRange();
      const at = text.data.indexOf(name);
      range.setStart(text, at);
      range.setEnd(text, at + name.length);
      return range.getBoundingClientRect().left;
    });
  })()`);
  t.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
  t.is(await page.text("#own-id"), "·evil");
  t.regex(await page.text("#change-list"), /·evil is gone/);
  t.false(await page.evaluate<boolean>(`document.body.textContent.includes("\\u202e")`));
  t.deepEqual(page.complaints, []);
});

testWith(
  browserProgram,
  "what a module held is of the past once it is away",
  async (t, program) => {
    await using browser = await Browser.start(program);
    await serving(async ({ url, node: shown, clock }) => {
      shown.report({ values: { key_buffer_fill: 0.25, key_buffer_bits: 4_096 } });
      const page = await browser.page();
      await page.open(url);
      const held = `document.querySelector("#stop-module").textContent`;
      await clock.advance(1_000);
      await page.until(`${live} && /key buffer 25\\.0\\s%$/.test(${held})`, deadline());
      shown.state = { ...shown.state, module: "DOWN" };
      await clock.advance(2_000);
      await page.until(
        `/key buffer 25\\.0\\s%, when it was last heard$/.test(${held})`,
        deadline(),
      );
      await page.close();
      t.deepEqual(page.complaints, []);
    });
  },
);
