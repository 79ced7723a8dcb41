/** What two controllers of a key manager are told, and which of them it asks: real processes, TLS. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import test from "ava";
import { linksIn } from "../../src/wire/ck/report.ts";
import { frameOf } from "../../src/wire/kq2/frame.ts";
import { alpn, command } from "../../src/wire/kq2/names.ts";
import { encodeStatus } from "../../src/wire/kq2/status.ts";
import { eventually } from "../eventually.ts";
import { startCkNet } from "../rig/ck-net.ts";
import { alarmOf, statusOfA } from "../rig/kq2-status.ts";
import { programPath } from "../rig/programs.ts";

test.serial(
  "two controllers are told what matters at once; one that stands by is not asked",
  async (t) => {
    const ck = await startCkNet(t, {
      kms: ["a", "b"],
      fibres: [["a", "b"]],
      far: [],
      nodes: true,
      more: () => "[alarms]\ncontroller_away_s = 1\n",
      bindings: { a: "tcp" },
      standby: true,
    });
    const { process, kq1, state, status } = ck.net.km("a");
    const controllers = async () =>
      (await status()).controllers?.map(({ name, connected, standby, asked }) => {
        return [name, connected, standby, asked].join(" ");
      });
    await eventually("both are connected", controllers, {
      is: ["two true true false", "one true false true"],
    });

    // A node tells that the QBER is high: QKD module → node → Kq-2 → KM → Ck.
    const { ca, cert, key } = ck.net.km("a").node;
    const socket = connectTls({
      host: "127.0.0.1",
      port: kq1,
      servername: "km-a",
      ALPNProtocols: [alpn],
      ca: await readFile(ca),
      cert: await readFile(cert),
      key: await readFile(key),
    });
    t.teardown(() => void socket.destroy());
    await once(socket, "secureConnect");
    const ids = { moduleId: "QKD-a-b", matchingModuleId: "QKD-b-a" };
    socket.write(
      frameOf(
        1,
        command.status,
        encodeStatus(
          statusOfA({ ...ids, figures: { qber: 0.12 }, alarms: [alarmOf("qber_high.m")] }),
        ),
      ),
    );
    for (const controller of [ck.controller, ck.second]) {
      const report = await eventually("the alarm is told", () =>
        controller.reports.find((one) =>
          linksIn(one).some(({ alarms }) => alarms.some(({ name }) => name === "qber_high")),
        ),
      );
      // Not with the next report of all that changed: by itself.
      t.is(report?.extension?.length, 1);
      t.like(report && linksIn(report)[0], {
        peer: "km-b",
        qber: 0.12,
        alarms: [{ name: "qber_high", severity: "major" }],
      });
    }

    // The doctor and the status tell how it is.
    const km = async (...words: string[]) =>
      (
        await promisify(execFile)(programPath("qkd-km"), [
          ...words,
          "--config",
          `${state}.toml`,
        ]).catch(({ stdout }: { stdout: string }) => ({ stdout }))
      ).stdout;
    t.regex(await km("status"), /^two +127\.0\.0\.1:\d+ +TCP +stands by +20/m);
    t.regex(await km("doctor"), /controller one.*connected/);

    // The leader goes, and the other leads.
    ck.second.standby = false;
    await ck.controller.close();
    await eventually("the other is asked", controllers, {
      is: ["two true false true", "one false false false"],
    });
    await ck.second.close();
    const alarms = async () => (await status()).alarms.map(({ alarm }) => alarm);
    await eventually("none is there", alarms, {
      when: (all) => all.includes("controller_away.ck"),
    });

    // Tables are read anew upon SIGHUP.
    const text = await readFile(`${state}.toml`, "utf8");
    await writeFile(`${state}.toml`, text.replace("[controller.two]", "[controller.three]"));
    process.signal("SIGHUP");
    await eventually("the tables are read", controllers, {
      is: ["three false false false", "one false false false"],
    });
  },
);
