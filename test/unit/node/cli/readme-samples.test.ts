/** What READMEs show of the commands is what the commands print. */
import { readFileSync } from "node:fs";
import test from "ava";
import { noColours } from "../../../../src/host/terminal/terminal.ts";
import { moment } from "../../../../src/host/terminal/units.ts";
import { kindOf } from "../../../../src/node/alarms/catalogue.ts";
import { verdictKinds } from "../../../../src/node/alarms/verdict.ts";
import { lines as alarmLines } from "../../../../src/node/cli/alarms.ts";
import { lines as statusLines } from "../../../../src/node/cli/status.ts";
import type { ModuleStatus } from "../../../../src/ops/cli/shapes.ts";
import { conclude, fail, ok, warn } from "../../../../src/ops/doctor/finding.ts";
import { reportLines } from "../../../../src/ops/doctor/tell.ts";

const width = 80;

/** What a README shows of a command, without what it leaves out (`…`). */
function sample(file: string, command: string): string[] {
  const text = readFileSync(new URL(`../../../../${file}`, import.meta.url), "utf8");
  const [, shown = ""] = text.split(`\n$ ${command}\n`);
  const [block = ""] = shown.split(/\n```|\n\n\$ /);
  return block.split("\n");
}

const trouble =
  "local: cannot connect to the KM: connection refused (ECONNREFUSED) (source=km.example:9443)";
const down = {
  level: "bad",
  verdict: "km_down",
  ready: false,
  text: `Keys wait in the module: no KM can be reached: ${trouble}`,
  action: verdictKinds.km_down.action,
  since: "2026-11-21T08:57:05Z",
};

test("the doctor's report", (t) => {
  const named = (title: string) => [title, title] as const;
  const shown = [
    ok(named("configuration"), "/etc/qkd-node/node.toml: good (node node-bob)"),
    ok(named("node"), "runs (process 712, start 4)"),
    ok(named("state folder"), "/var/lib/qkd-node, of qkd-node, mode 700"),
    ok(named("device of bob"), "/dev/ttyUSB0"),
    ok(named("answer of bob"), "connected"),
    ok(named("identity of bob"), "QKD-B-0001, paired with QKD-A-0001"),
    ok(named("state of bob"), "QBER 3.44 %, limit 11.00 %"),
    ok(named("clock"), "2026-11-21T08:57:28 UTC, synchronised"),
    ok(named("certificate of km.local"), "CN=node-bob, until 2027-02-19"),
    ok(named("CA of km.local"), "CN=qkd rig CA, until 2027-12-26"),
    ok(named("name of KM local"), "km.example is 192.0.2.7"),
    fail(
      named("way to KM local"),
      "192.0.2.7 port 9443: connection refused",
      "the machine is there: is the program on it running, on this port?",
    ),
  ];
  const rest = [
    fail(named("supply of bob"), down.text, down.action),
    warn(named("alarms"), "km_unreachable.bob (major)", "qkd-node alarms says what to do"),
  ];
  const report = conclude([...shown, ...rest], {
    node: "node-bob",
    t: "2026-11-21T08:57:28Z",
    running: true,
    supply: [{ name: "bob", health: down }],
  });
  const lines = reportLines(report, noColours, width);
  const readme = sample("README.md", "qkd-node doctor");
  const cut = readme.indexOf("…");
  t.deepEqual(readme.slice(0, cut), lines.slice(0, cut));
  t.deepEqual(readme.slice(cut + 1), lines.slice(-1));
});

test("the status", (t) => {
  const alice: ModuleStatus = {
    ...{ name: "alice", state: "OPERATING", link: "ACTIVE", km: "UP", reason: "" },
    since: "2026-11-21T08:00:00Z",
    qber: 0.0355,
    secret_key_rate: 13_600,
    health: {
      ...{ level: "good", verdict: "good", ready: true, text: "Keys flow", action: "" },
      since: "2026-11-21T08:00:02Z",
    },
    kept_back: [],
    keys: { confirmed: 410, in_flight: 0 },
  };
  const status = {
    ...{ node: "node-alice", version: "0.1.0", boot: 1, pid: 3_674, uptime_s: 122, rss_bytes: 1 },
    t: "2026-11-21T08:02:00Z",
    config: { file: "", digest: "", state_dir: "" },
    modules: [alice],
    kq2: [{ km: "local", state: "up", reason: "" }],
    broker: { url: "mqtt://127.0.0.1:44573", up: true, reason: "", waiting: 0 },
    alarms: { warning: 1 },
  };
  const lines = statusLines(status, { paint: noColours, width });
  t.deepEqual(sample("README.md", "qkd-node status"), lines);
});

test("the alarms", (t) => {
  const { text, action } = kindOf("module_identity");
  const alarm = {
    ...{ alarm: "module_identity.alice", severity: "critical", active: true, text, action },
    ...{ acknowledged: false, flapping: false, count: 1, raised: "2026-11-21T08:54:24Z" },
    detail: "another module answers (source=/dev/ttyUSB0, expected=QKD-A-0001, found=QKD-X-9999)",
  };
  const times = { zone: "UTC", show: moment };
  const lines = alarmLines(alarm, noColours, width, times);
  const head = (all: readonly string[]) => all[0]?.replace(/since .*/, "");
  const readme = sample("src/node/cli/README.md", "qkd-node alarms");
  // The terminal's clock of whoever runs this may be another.
  t.is(head(readme), head(lines));
  t.deepEqual(readme.slice(1), lines.slice(1));
});
