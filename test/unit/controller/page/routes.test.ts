/** What is at the page's door beside the page. */
import test from "ava";
import { verdictOf } from "../../../../src/controller/model/verdict.ts";
import { largeNetwork, rerouted, threeNodes } from "../../../rig/controller-network.ts";
import { ControllerPageRig } from "../../../rig/controller-page.ts";
import { ask } from "../../../rig/web-bench.ts";

const json = (body: Buffer) => JSON.parse(body.toString());

test("pairs are found by ID and by the names of their nodes, a hundred at most", async (t) => {
  await using rig = await ControllerPageRig.start(rerouted());
  const found = async (search: string) => {
    const { status, body } = await ask(rig.url, `/api/pairs?${new URLSearchParams({ search })}`);
    return status === 200 ? json(body) : status;
  };
  t.is((await found("CAROL")).found, 1);
  t.is((await found("km-bob")).pairs[0].pair, "km-alice--km-bob");
  t.is((await found("none such")).found, 0);
  t.is(await found("x".repeat(201)), 400);
  rig.status = largeNetwork();
  const { found: all, pairs } = await found("");
  t.true(all > 100 && pairs.length === 100);
});

test("it is ready while keys are known to be somewhere, alive while it looks; figures are there too", async (t) => {
  await using rig = await ControllerPageRig.start(threeNodes());
  const ready = await ask(rig.url, "/readyz");
  t.is(ready.status, 200);
  t.like(json(ready.body), { ready: true, role: "active" });
  t.is((await ask(rig.url, "/healthz")).status, 200);
  t.regex((await ask(rig.url, "/metrics")).body.toString(), /^qkd_page_viewers 0$/m);
  t.is((await ask(rig.url, "/api/state")).status, 200);
  t.is((await ask(rig.url, "/api/history")).status, 404);
  const none = { ...threeNodes(), links: [], pairs: [] };
  rig.status = { ...none, verdict: verdictOf(true, none) };
  t.is((await ask(rig.url, "/readyz")).status, 503);
});
