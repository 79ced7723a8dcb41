/** The page of a controller in a real browser: its server as the program has it, over networks made by hand. */
import test, { type ExecutionContext } from "ava";
import { lookOf } from "../../src/controller/model/look.ts";
import type { ControllerStatus } from "../../src/controller/model/status.ts";
import { verdictOf } from "../../src/controller/model/verdict.ts";
import { eventually } from "../eventually.ts";
import { testWholeWith, testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { isForEverybody } from "../rig/accessible.ts";
import { Browser, type BrowserPage, browserProgram } from "../rig/browser.ts";
import * as networks from "../rig/controller-network.ts";
import { ControllerPageRig } from "../rig/controller-page.ts";
import { pair } from "../rig/controller-parts.ts";

const deadline = () => patience(30_000);

interface Bench {
  readonly rig: ControllerPageRig;
  readonly page: BrowserPage;
}

/** One browser for the whole file: its start is what costs most. */
let shared: Browser | undefined;
test.after.always(async () => {
  await shared?.[Symbol.asyncDispose]();
});

async function looking(
  t: ExecutionContext,
  program: string,
  status: ControllerStatus,
  body: (bench: Bench) => Promise<void>,
  options: Parameters<Browser["page"]>[0] = {},
): Promise<void> {
  shared ??= await Browser.start(program);
  await using rig = await ControllerPageRig.start(status);
  const page = await shared.page(options);
  await page.open(rig.url);
  const drawn = `document.querySelectorAll("#map [data-key]").length > 0`;
  await page.until(`document.body.dataset.link === "live" && ${drawn}`, deadline());
  await body({ rig, page });
  t.deepEqual(page.complaints, []);
  await page.close();
}

const count = (selector: string) => `document.querySelectorAll(${JSON.stringify(selector)}).length`;
const link = (id: string) => `.link[data-key="link ${id}"]`;
const attribute = (selector: string, name: string) =>
  `document.querySelector(${JSON.stringify(selector)})?.getAttribute("${name}")`;
const routeOnMap = `[...document.querySelectorAll('[data-route="used"]')].filter((one) => one.closest("#map")).map((one) => one.dataset.key).sort().join()`;
const focused = `document.activeElement.getAttribute("data-key") ?? document.activeElement.textContent.trim()`;

testWith(
  browserProgram,
  "QBER rises, the route changes, and the map shows both without losing what was chosen",
  async (t, program) => {
    await looking(t, program, networks.threeNodes(), async ({ rig, page }) => {
      t.is(await page.text("#own-id"), "controller-1");
      t.is(await page.text("#verdict-text"), "All links supply keys");
      t.is(await page.evaluate(count("#map .node")), 3);
      t.regex(await page.text("#figure-links"), /3 of 3/);

      // The pair, from the list: its route is on the map.
      await page.click(`[data-list="pairs"]`);
      await page.click(`#list [data-id="km-alice--km-carol"]`);
      t.is(await page.evaluate(routeOnMap), "link km-alice--km-carol");
      t.regex(await page.text("#route"), /In use ?Alice ?Carol ?If that fails ?Alice ?Bob ?Carol/);
      // A node, by the mouse.
      await page.click(`.node[data-key="node km-bob"]`);
      t.regex(await page.text("#chosen"), /^Node Bob connected.*Leiden/);
      await page.evaluate(`window.same = document.querySelector('${link("km-alice--km-bob")}')`);

      rig.status = networks.rerouted();
      await page.until(
        `${routeOnMap} === "link km-alice--km-bob,link km-bob--km-carol"`,
        deadline(),
      );
      t.is(
        await page.evaluate(attribute(`${link("km-alice--km-carol")} .half`, "data-state")),
        "bad",
      );
      t.is(
        await page.evaluate(
          count(`.mark[data-key="link km-alice--km-carol"] [data-severity="critical"]`),
        ),
        1,
      );
      t.regex(await page.text("#chosen"), /^Node Bob/);
      t.is(await page.evaluate(attribute(`.node[data-key="node km-bob"]`, "aria-pressed")), "true");
      t.true(
        await page.evaluate(
          `window.same === document.querySelector('${link("km-alice--km-bob")}')`,
        ),
      );
      t.regex(
        await page.text("#change-list li"),
        /Reroute Alice – Carol ?now over km-bob: QBER .* 412 ms after its cause/,
      );
      t.regex(
        await page.text("#told-list"),
        /Critical ?Alice – Carol ?qber high.*by its key manager.*over MQTT/,
      );
      t.is(
        await page.text("#announce"),
        "Alarm, critical, Alice – Carol: qber high. Alarm, major, Alice – Carol: key rate low",
      );
      t.is(await page.text("#verdict-text"), "1 of 3 links is bad; all pairs have a route");

      // The link, with both ends beside each other.
      await page.click(`#told-list [data-kind="link"]`);
      t.regex(
        await page.text("#chosen"),
        /Link Alice – Carol bad ?QBER is above its limit.*Stock3\.28 Mbit3\.28 Mbit.*QBER12\.60 %12\.60 %.*Fibre12\.4 km/,
      );
      // Changes of what is chosen alone.
      await page.click("#of-choice");
      t.is(await page.evaluate(count("#change-list li")), 3);
      await page.click("#leave");
      t.is(await page.evaluate(routeOnMap), "");
    });
  },
);

testWith(browserProgram, "nothing is green that is not known to have keys", async (t, program) => {
  const { nodes, links, ...rest } = networks.threeNodes();
  const [first, second, third] = links;
  if (first === undefined || second === undefined || third === undefined) return t.fail();
  const silent = { ...first, ends: [] };
  const old = { ...second, ends: second.ends.map((end) => ({ ...end, age_s: 90, known: false })) };
  const empty = { ...third, ends: third.ends.map((end) => ({ ...end, stock_bits: 0 })) };
  const shown = (...all: (typeof links)[number][]) => {
    const known = all.map((one) => ({ ...one, ...lookOf(one) }));
    return {
      ...rest,
      nodes,
      links: known,
      verdict: verdictOf(true, { ...rest, nodes, links: known }),
    };
  };
  const status = shown(silent, old, empty);
  await looking(t, program, status, async ({ rig, page }) => {
    t.is(await page.text("#verdict-text"), "2 links not reported");
    t.is(await page.evaluate(attribute("#verdict", "data-level")), "waiting");
    t.is(await page.evaluate(count(`#map .half[data-state="good"]`)), 0);
    t.is(await page.evaluate(count(`#map .half[data-state="unknown"]`)), 4);
    t.regex(await page.text("#list"), /no key manager has told of it/);
    t.is(await page.text("#figure-links .value"), "0 of 3");
    // One end alone is known: half of its line is.
    rig.status = shown({ ...first, ends: first.ends.slice(0, 1) }, old, empty);
    await page.until(`${count(`#map .half[data-state="good"]`)} === 1`, deadline());
  });
});

testWith(
  browserProgram,
  "what is printed from a dark screen is dark on light",
  async (t, program) => {
    await looking(t, program, networks.threeNodes(), async ({ page }) => {
      const colours = `(() => { const { color, colorScheme } = getComputedStyle(document.documentElement.querySelector("body")); return color + colorScheme + getComputedStyle(document.documentElement).getPropertyValue("--panel"); })()`;
      await page.scheme("light");
      const light = await page.evaluate(colours);
      for (const chosen of ["", "dark"]) {
        await page.scheme("dark");
        await page.evaluate(`document.documentElement.dataset.theme = "${chosen}"`);
        t.not(await page.evaluate(colours), light);
        await page.medium("print");
        t.is(await page.evaluate(colours), light, chosen);
        await page.medium("screen");
      }
    });
  },
);

/** How far apart two nodes are on the screen, px. */
const apart = (a: string, b: string) =>
  `(() => { const [a, b] = ${JSON.stringify([a, b])}.map((km) => document.querySelector('[data-key="node ' + km + '"] .body').getBoundingClientRect().x); return Math.round(b - a); })()`;
const left = (km: string) =>
  `Math.round(document.querySelector('[data-key="node ${km}"] .body').getBoundingClientRect().x)`;

testWith(browserProgram, "the map goes by keys alone", async (t, program) => {
  await looking(t, program, networks.nsfnet(), async ({ page }) => {
    t.is(await page.evaluate(count("#map .node")), 14);
    t.is(await page.evaluate(count("#map .link")), 21);
    await page.press("Tab");
    t.is(await page.evaluate(focused), "Skip to alarms");
    // One stop of Tab for the whole map.
    t.is(await page.evaluate(count(`#map [tabindex="0"]`)), 1);
    await page.evaluate(`document.querySelector("#site").focus()`);
    await page.press("Tab");
    t.is(await page.evaluate(focused), "node km-wa");
    await page.press("ArrowDown");
    t.is(await page.evaluate(focused), "node km-ca1");
    await page.press("ArrowRight");
    t.is(await page.evaluate(focused), "node km-ut");
    await page.press("Enter");
    t.regex(await page.text("#chosen"), /^Node Salt Lake City/);
    await page.press("l");
    t.regex(await page.evaluate<string>(focused), /^link /);
    await page.press("Enter");
    t.regex(await page.text("#chosen"), /^Link .*Salt Lake City/);
    // Zoom and way back: nodes are further apart, then as before.
    const width = apart("km-wa", "km-nj");
    const before = await page.evaluate<number>(width);
    await page.press("+");
    await page.until(`${width} > ${before}`, deadline());
    await page.press("Shift+ArrowRight");
    await page.press("0");
    await page.until(`${width} === ${before}`, deadline());
    await page.press("Escape");
    t.is(await page.evaluate(attribute("#leave", "hidden")), "");
    // By search: what does not fit steps back, Enter goes to the first that does.
    await page.evaluate(`document.querySelector("#find").focus()`);
    await page.type("houston");
    await page.until(`${count(`#map .node[data-fits="true"]`)} === 1`, deadline());
    await page.press("Enter");
    t.regex(await page.text("#chosen"), /^Node Houston/);
  });
});

testWith(browserProgram, "the map goes by mouse and by fingers", async (t, program) => {
  await looking(t, program, networks.nsfnet(), async ({ page }) => {
    const width = apart("km-wa", "km-nj");
    const before = await page.evaluate<number>(width);
    // Who scrolls the page over it scrolls the page.
    await page.wheel("#map", 120);
    await page.until("scrollY > 0", deadline());
    t.is(await page.evaluate(width), before);
    await page.evaluate("scrollTo(0, 0)");
    // Who is in the map zooms it.
    await page.click(`.node[data-key="node km-il"]`);
    await page.wheel("#map", -240);
    await page.until(`${width} > ${before * 1.2}`, deadline());
    const at = await page.evaluate<number>(left("km-il"));
    await page.drag("#map", 40, 25);
    await page.until(`${left("km-il")} === ${at + 40}`, deadline());
    // The end of a drag chooses nothing else.
    t.regex(await page.text("#chosen"), /^Node Champaign/);
    await page.click("#zoom-all");
    await page.until(`${width} === ${before}`, deadline());
  });
  const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
  await looking(
    t,
    program,
    networks.nsfnet(),
    async ({ page }) => {
      const width = apart("km-wa", "km-nj");
      const before = await page.evaluate<number>(width);
      await page.pinch("#map", [60, 180]);
      await page.until(`${width} > ${before * 1.8}`, deadline());
    },
    phone,
  );
});

testWholeWith(
  browserProgram,
  "a hundred nodes: sites are one symbol each and open, alarms are found",
  async (t, program) => {
    await looking(t, program, networks.largeNetwork(), async ({ rig, page }) => {
      t.is(await page.evaluate(count("#map .site")), 20);
      t.is(await page.evaluate(count("#map .node")), 0);
      await page.click(`#map .site[data-key="site Town 9"]`);
      t.is(await page.evaluate(count("#map .node")), 5);
      t.regex(await page.text("#chosen"), /^Site Town 9 ?4 of 5 nodes connected/);
      await page.click("[data-close]");
      t.is(await page.evaluate(count("#map .site")), 20);
      await page.click("#sites");
      t.is(await page.evaluate(count("#map .node")), 100);
      t.is(await page.evaluate(count("#map .link")), 300);
      const where = `[...document.querySelectorAll("#map .node")].map((one) => one.getAttribute("transform")).join()`;
      const places = await page.evaluate<string>(where);
      const nearest = await page.evaluate<number>(`(() => {
        const at = [...document.querySelectorAll("#map .node .body")].map((one) => one.getBoundingClientRect());
        return Math.min(...at.flatMap((a, i) => at.slice(i + 1).map((b) => Math.hypot(a.x - b.x, a.y - b.y))));
      })()`);
      t.true(nearest >= 12, `no node hides another: ${nearest} px`);
      const sort = "critical";
      await page.evaluate(
        `{ const box = document.querySelector("#severity"); box.value = "${sort}"; box.dispatchEvent(new Event("input", { bubbles: true })); }`,
      );
      t.is(await page.evaluate(count("#list tbody tr")), 5);
      t.regex(await page.text("#matches"), /^0 nodes and 5 links fit/);
      // A link less: only what changed was sent, and what is left stays where it was.
      const { links, ...rest } = rig.status;
      rig.status = { ...rest, links: links.slice(1) };
      await page.until(`${count("#map .link")} === 299`, deadline());
      t.is(await page.evaluate(where), places);
    });
  },
);

testWith(browserProgram, "it is for everybody, on a phone as on a desk", async (t, program) => {
  await looking(t, program, networks.nsfnet(), async ({ page }) => {
    await page.click(`[data-list="pairs"]`);
    await page.click(`#list [data-id="km-ca1--km-nj"]`);
    await page.click(`.node[data-key="node km-co"]`);
    await isForEverybody(t, page);
  });
  const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
  await looking(
    t,
    program,
    networks.largeNetwork(),
    async ({ page }) => {
      const top = (selector: string) =>
        page.evaluate<number>(`document.querySelector("${selector}").getBoundingClientRect().top`);
      t.true((await top("#verdict")) < (await top("#map")));
      t.true((await top("#map")) < (await top("#list")));
      t.true((await top("#map")) < 400, "the map is on the first screen");
      t.true((await page.evaluate<number>("document.documentElement.scrollWidth")) <= 360);
    },
    phone,
  );
});

testWith(browserProgram, "a pair that is not sent by itself is found", async (t, program) => {
  const network = networks.threeNodes();
  const many = Array.from({ length: 300 }, (_, i) =>
    pair([`km-x${i}`, "km-y"], { demand: 500 + i }),
  );
  const rare = pair(["km-alice", "km-bob", "km-carol"], {
    demand: 0,
    sessions: 0,
    ordered_bits: 35_000,
  });
  await looking(t, program, { ...network, pairs: [...many, rare] }, async ({ page }) => {
    await page.click(`[data-list="pairs"]`);
    const more = "101 more: search for them.";
    await eventually("how many more there are", () => page.text("#more"), { is: more });
    await page.evaluate(`document.querySelector("#find").focus()`);
    await page.type("Carol");
    await page.until(count(`#list [data-id="km-alice--km-carol"]`), deadline());
    await page.click(`#list [data-id="km-alice--km-carol"]`);
    const route = "link km-alice--km-bob,link km-bob--km-carol";
    await eventually("its route", () => page.evaluate(routeOnMap), { is: route });
    const ordered = /Ordered, not begun\s*35\.0 kbit/;
    await eventually("what is ordered of it", () => page.text("#route"), { matches: ordered });
  });
});

testWith(browserProgram, "names are text, whatever they are", async (t, program) => {
  await looking(t, program, networks.hostile(), async ({ page }) => {
    await page.click(".node");
    await page.click(`[data-list="pairs"]`);
    await page.click(`#list [data-kind="pair"]`);
    await page.click(`#told-list button`);
    await eventually("details", () => page.text("#chosen"), { matches: /onerror/ });
    t.is(await page.evaluate(count("main img, main script")), 0);
    t.is(await page.evaluate("typeof window.hacked"), "undefined");
  });
});

/** Pictures for the README: `QKD_SCREENSHOTS=src/controller/page/screenshots`. */
const pictures = process.env.QKD_SCREENSHOTS;
const pairRoute = `document.querySelector('[data-list="pairs"]').click(); document.querySelector('#list [data-id="km-ca1--km-nj"]').click()`;
const shots = [
  ["dark", networks.nsfnet(), 1_440, 1_130, "dark", pairRoute],
  [
    "rerouted",
    networks.rerouted(),
    1_440,
    1_130,
    "light",
    `document.querySelector('[data-list="pairs"]').click(); document.querySelector('#list [data-id="km-alice--km-carol"]').click()`,
  ],
  ["sites", networks.largeNetwork(), 1_440, 900, "dark", ""],
  [
    "open",
    networks.largeNetwork(),
    1_280,
    1_000,
    "light",
    `document.querySelector("#sites").click()`,
  ],
  ["phone", networks.nsfnet(), 360, 1_130, "dark", ""],
] as const;

if (pictures !== undefined) {
  testWith(browserProgram, "pictures for the README", async (t, program) => {
    for (const [name, status, width, height, scheme, act] of shots) {
      const small = width < 500;
      const options = { viewport: { width, height }, isMobile: small, hasTouch: small } as const;
      await looking(
        t,
        program,
        status,
        async ({ page }) => {
          await page.scheme(scheme);
          if (act !== "") await page.evaluate(act);
          await page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
          );
          await page.screenshot(`${pictures}/${name}.png`);
        },
        options,
      );
    }
  });
}
