/** The chassis panel as `qkd-node status` and the local page show it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask } from "../../src/ops/cli/client.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { Browser, browserProgram } from "../rig/browser.ts";
import { problemsOf, qkdNode, tooWide } from "../rig/cli.ts";
import { PanelRig } from "../rig/panel-rig.ts";

const deadline = () => patience(30_000);

testWith(
  browserProgram,
  "status and page show panel, key switch and tampering",
  async (t, program) => {
    const own = mkdtempSync(join(tmpdir(), "qkd-console-"));
    t.teardown(() => rmSync(own, { recursive: true }));
    const console = join(own, "control");
    const panel = `[local]\nmaintenance = "${console}"\n`;
    await PanelRig.with({ onTamper: "stop", panel }, async (bench) => {
      const { controller, rig } = bench;
      await using browser = await Browser.start(program);
      await bench.flowing();
      await bench.until("present", () => bench.status?.panel?.presence, { is: "ok" });
      const where = ["--config", join(rig.folder, "node-alice.toml")];
      const good = await qkdNode(["status", ...where]);
      t.regex(good.out.replace(/\n +/g, " "), /panel +ok; chassis closed; key at operation; lamps/);
      t.deepEqual(tooWide(good.out), []);

      const page = await browser.page({ viewport: { width: 1_280, height: 1_400 } });
      await page.open(rig.alice.page as string);
      const identity = `document.querySelector("#identity").textContent`;
      await page.until(
        `${identity}.includes("Chassis panelStateconnectedChassisclosed")`,
        deadline(),
      );
      await page.until(`${identity}.includes("Key switchoperation")`, deadline());

      // The maintenance console's own socket: it looks at any time, and acts by the key.
      const install = ["update", "install", "https://127.0.0.1/u", "--yes", "node-alice"];
      const act = { confirm: "node-alice", bundle: "https://127.0.0.1/u" };
      t.is((await qkdNode([...install, "--socket", console])).code, 69);
      await t.throwsAsync(ask([console], "install_update", act), { message: /key switch is not/ });
      controller.key(true);
      const facts = `document.querySelector("#own-facts").textContent`;
      await page.until(`${facts}.includes("key switch at maintenance")`, deadline());
      await t.throwsAsync(ask([console], "install_update", act), { message: /by images/ });
      controller.contact(1, true);
      await page.until(`${identity}.includes("contact 2 opened")`, deadline());
      const verdict = `document.querySelector("#verdict-text").textContent`;
      await page.until(
        `${verdict} === "No key leaves the node: chassis contact 2 opened"`,
        deadline(),
      );
      await page.until(
        `document.querySelector("#stop-node").textContent.startsWith("Nodesupply stopped")`,
        deadline(),
      );
      for (const matches of [/Key switch turned to maintenance/, /Chassis opened/]) {
        await eventually("events", () => page.text("#event-list"), { matches });
      }
      t.deepEqual(page.complaints, []);
      if (process.env.SCREENSHOT !== undefined) {
        await page.screenshot(process.env.SCREENSHOT);
      }
      await bench.until("latched", () => bench.status?.panel?.tamper, { is: "latched" });

      await t.throwsAsync(ask([console], "install_update", act), { message: /key switch is not/ });
      const bad = await qkdNode(["status", ...where]);
      t.regex(bad.out.replace(/\n +/g, " "), /tampered: contact 2 opened at \S+ \S+ \(latched\);/);
      t.regex(bad.out, /FAIL +alice +No key leaves the node: chassis contact 2 opened/);
      t.deepEqual(tooWide(bad.out), []);
      const json = (await qkdNode(["status", ...where, "--json"])).out;
      t.deepEqual(problemsOf("status", json), []);
      t.like(JSON.parse(json).panel, {
        presence: "ok",
        tamper: "latched",
        contacts: [1],
        maintenance: true,
        halted: true,
        serial: "EMU-PANEL-1",
        lamps: { supply: "amber", alarm: "red" },
      });
      t.log(bad.out);

      await bench.process.stop("SIGKILL");
      await page.until(`${identity}.includes("Statelost")`, deadline());
      const lost = JSON.parse((await qkdNode(["status", ...where, "--json"])).out);
      t.like(lost.panel, { presence: "lost", maintenance: false });
    });
  },
);
