/** What a screen reader is told of alarms that come together: all that is new, the worst first. */
import type { ControllerStatus } from "../../src/controller/model/status.ts";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, browserProgram } from "../rig/browser.ts";
import { rerouted, threeNodes } from "../rig/controller-network.ts";
import { ControllerPageRig } from "../rig/controller-page.ts";

/** An alarm of the controller itself. */
function own(name: string, severity: string, text: string): ControllerStatus["alarms"][number] {
  const since = "2026-01-31T12:00:00.000Z";
  const states = { active: true, acknowledged: false };
  return { alarm: name, severity, ...states, since, count: 1, text, action: "look" };
}

testWith(browserProgram, "alarms that come in one message are all said", async (t, program) => {
  await using browser = await Browser.start(program);
  await using rig = await ControllerPageRig.start(threeNodes());
  const page = await browser.page();
  await page.open(rig.url);
  await page.until(`document.body.dataset.link === "live"`, patience(30_000));
  const said = async (status: ControllerStatus, text: string) => {
    rig.status = status;
    await page.until(
      `document.querySelector("#announce").textContent === ${JSON.stringify(text)}`,
      patience(30_000),
    );
  };
  const store = own("store_away", "critical", "the database does not answer");
  const clock = own("clock_implausible", "warning", "the clock is wrong");
  await said(
    { ...threeNodes(), alarms: [store, clock] },
    "Alarm, critical, controller-1: the database does not answer. " +
      "Alarm, warning, controller-1: the clock is wrong",
  );
  // Its own, and those of a link: more than a person listens to.
  const two = own("two", "minor", "another");
  await said(
    { ...rerouted(), alarms: [store, clock, two, own("three", "warning", "a third")] },
    "Alarm, critical, Alice – Carol: qber high. Alarm, major, Alice – Carol: key rate low. " +
      "Alarm, minor, controller-1: another. 1 more alarm",
  );
  t.deepEqual(page.complaints, []);
});
