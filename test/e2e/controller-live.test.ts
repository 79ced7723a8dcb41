/** The page of a controller that runs, in a real browser. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, browserProgram } from "../rig/browser.ts";
import { ControllerProcess } from "../rig/controller-process.ts";

const deadline = () => patience(30_000);
const count = (selector: string) => `document.querySelectorAll(${JSON.stringify(selector)}).length`;
const routeOnMap = `[...document.querySelectorAll('#map [data-route="used"]')].map((one) => one.dataset.key).sort().join()`;

const network = `[node.Alice]
km = "km-a"
site = "Delft"
x = 0.1
y = 0.2
[node.km-b]
[node.km-c]
[link.ab]
between = ["Alice", "km-b"]
[link.bc]
between = ["km-b", "km-c"]
[link.ac]
between = ["Alice", "km-c"]
[routing]
settle_s = 0
hold_down_s = 0
[web]
port = 0
`;

testWith(
  browserProgram,
  "a controller that runs shows its network, and a reroute",
  async (t, program) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-controller-page-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const controller = await ControllerProcess.make({ folder, tables: network });
    t.teardown(() => controller.process.stop("SIGKILL"));
    await controller.start(deadline());
    await controller.process.logged(/msg="page"/, deadline());
    const served = controller.process.lines.findLast((line) => /msg="page"/.test(line));
    const kms = await Promise.all(["km-a", "km-b", "km-c"].map((name) => controller.km(name)));
    t.teardown(() => Promise.all(kms.map((km) => km.stop())));
    const attached = async () =>
      (await controller.status()).nodes.filter((one) => one.attached).length;
    await eventually("all are attached", attached, { is: 3 });
    const [a, b, c] = kms;
    if (a === undefined || b === undefined || c === undefined) return t.fail();
    for (const [km, peers] of [
      [a, ["km-b", "km-c"]],
      [b, ["km-a", "km-c"]],
      [c, ["km-a", "km-b"]],
    ] as const) {
      for (const peer of peers) await km.tell(peer, { qber: 0.02 });
    }
    const asks = { type: "nextHopRequest", sourceKma: "km-a", destinationKma: "km-c" } as const;
    await a.end.session.request(asks);
    await using browser = await Browser.start(program);
    const page = await browser.page();
    await page.open(/url=(\S+)/.exec(served ?? "")?.[1] ?? "");
    await page.until(`${count(`#map .half[data-state="good"]`)} === 6`, deadline());
    t.regex(await page.text("#figure-nodes"), /3 of 3/);
    await page.click(`[data-list="pairs"]`);
    await page.until(count(`#list [data-id="km-a--km-c"]`), deadline());
    await page.click(`#list [data-id="km-a--km-c"]`);
    await page.until(`${routeOnMap} === "link km-a--km-c"`, deadline());

    const worse = { qber: 0.12, alarms: [{ name: "qber_high", severity: "critical" }] } as const;
    await a.tell("km-c", worse);
    await c.tell("km-a", worse);
    await page.until(`${routeOnMap} === "link km-a--km-b,link km-b--km-c"`, deadline());
    await page.until(
      count(`.link[data-key="link km-a--km-c"] .half[data-state="bad"]`),
      deadline(),
    );
    await eventually("alarms", () => page.text("#told-list"), {
      matches: /Critical ?Alice – km-c ?qber high/,
    });
    await eventually("changes", () => page.text("#change-list"), {
      matches: /Reroute Alice – km-c/,
    });
    t.deepEqual(page.complaints, []);
  },
);
