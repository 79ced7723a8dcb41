/** The image on an emulated board: from blank to first key, and what may happen after that. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { lifeOf } from "./life.ts";
import { Machine } from "./machine.ts";
import { node, putProgram } from "./program.ts";
import { ends, Site } from "./site.ts";
import { Stick } from "./stick.ts";

const image =
  process.env.QKD_IMAGE ?? fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
/** The long campaign has 50. */
const cuts = Number(process.env.QKD_CUTS ?? 1);
const figures: Record<string, unknown> = {};

let site: Site;
let board: Machine;

test.before(async () => {
  if (builtFiles(image) === undefined) throw new Error("no image: scripts/image build");
  site = await Site.open();
  const folder = join(site.folder, "board");
  mkdirSync(folder);
  board = new Machine({
    image,
    folder,
    start: "direct",
    cmdline: "qkd.test systemd.show_status=true systemd.status_unit_format=name",
    // The adapter is plugged in only when the node runs.
    modules: site.attached.map((one) => ({ ...one, unplugged: one.on === "usb" })),
  });
});

test.after.always(async (t) => {
  t.log(JSON.stringify(figures));
  await board?.cutPower();
  await site?.close();
  clearInterval(keepAlive);
});

const life = lifeOf(() => board);

/** The board has let go of the stick for the n-th time. */
function stickDone(times: number): Promise<void> {
  const count = "journalctl -q -o cat -u 'qkd-site@*' | grep -c 'may be pulled'";
  return board.until(async () => Number((await board.run(count)).output) >= times, 900);
}

/** A module's state as the manager knows it. */
const moduleOf = (name: string) =>
  (site.told.get(`module/${name}/state`) as { module?: string } | undefined)?.module;

const mainPid = () => board.sh("systemctl show -P MainPID qkd-node").then((text) => text.trim());

/** All that the modules were given until now arrives; no key is there that was not, or is there twice. */
async function settled(t: ExecutionContext, seconds = 900): Promise<void> {
  const missing = site.missing();
  await board.until(() => missing() === 0, seconds);
  t.deepEqual(site.check(), { foreign: 0, doubled: 0, conflicts: 0 });
}

life("a blank board makes its own key, and takes its configuration from a stick", async (t) => {
  await board.on();
  await board.reachable();
  const stick = new Stick(site.folder);
  await stick.plug(board);
  await stickDone(1);
  await stick.unplug(board);
  const [request = ""] = stick.list().filter((name) => name.endsWith(".csr"));
  t.not(request, "", stick.list().join());
  t.regex(stick.read("result.txt") ?? "", /nothing taken/);

  const nodeId = request.replace(".csr", "");
  stick.put("site/node.crt", site.authority.node(nodeId, stick.read(request) ?? ""));
  stick.put("site/site-ca.crt", site.authority.read());
  stick.put("site/node.toml", site.configuration(nodeId));
  site.distil(5_000);
  await stick.plug(board);
  await stickDone(2);
  await stick.unplug(board);
  t.regex(stick.read("result.txt") ?? "", /taken: the node runs/);
});

life("a USB adapter that comes after the node is its module's port", async (t) => {
  t.not((await board.run("test -e /dev/ttyUSB0")).code, 0);
  await board.qmp("device_add", site.usb("alice"));
  await board.until(() => moduleOf("alice") === "OPERATING");
  t.is((await board.sh("systemctl show -P NRestarts qkd-node")).trim(), "0");
  board.change({ modules: site.attached });
});

life("keys arrive at the KMs, the same as the modules were given", async (t) => {
  await board.until(() => site.keys >= 16, 900);
  await settled(t);
  await board.until(async () =>
    /^healthy/.test(await board.sh("systemctl show -P StatusText qkd-node")),
  );
  t.is((await board.sh("systemctl list-units --failed --plain --no-legend")).trim(), "");
});

life("what a start left in memory is given back", async (t) => {
  const rss = async () =>
    Number(await board.sh(`grep VmRSS /proc/${await mainPid()}/status | tr -dc 0-9`)) / 1_000;
  const when = async (name: string, unit: string) =>
    Number(await board.sh(`systemctl show -P ${name}TimestampMonotonic ${unit}`));
  const started = await when("ActiveEnter", "qkd-node");
  figures.rss_started_mb = Math.round(await rss());
  await board.until(async () => (await when("ExecMainExit", "qkd-slack")) > started, 300);
  const { keys } = site;
  await board.until(() => site.keys >= keys + 8, 300);
  await settled(t);
  const left = await rss();
  figures.rss_mb = Math.round(left);
  t.true(left < 80, String(left));
});

life(
  "the sandbox is in force: no capability, no core file, no shell, nothing to write to",
  async (t) => {
    const status = await board.sh(`cat /proc/${await mainPid()}/status`);
    t.regex(status, /CapBnd:\s+0000000000000000/);
    t.regex(status, /NoNewPrivs:\s+1/);
    t.regex(status, /Seccomp:\s+2/);
    t.regex(await board.sh(`cat /proc/${await mainPid()}/limits`), /Max core file size\s+0\s+0/);
    t.not((await board.run("touch /usr/x /etc/x")).code, 0);
    t.is((await board.sh("tail -n +2 /proc/swaps")).trim(), "");
    t.regex(await board.sh("cat /etc/shadow"), /^root:!\*:/m);
    t.is((await board.run("grep -v ':!\\*:' /etc/shadow")).output, "");
    t.is(
      (
        await board.run(
          "systemctl list-units --no-legend '*getty*' '*debug-shell*' | grep -v masked",
        )
      ).output,
      "",
    );
    t.is(await board.sh("busybox find / -xdev -perm /6000 -type f"), "");
    const exposure = await board.sh(
      "systemd-analyze security --no-pager qkd-node.service | tail -n 1",
      300,
    );
    figures.exposure = /[\d.]+/.exec(exposure.replace(/^.*service:/, ""))?.[0];
    t.true(Number(figures.exposure) <= 1.5, exposure);
  },
);

life("the manager sees QBER and an alarm", async (t) => {
  await board.until(() => site.told.has("module/alice/telemetry"));
  const { figures: sample } = site.told.get("module/alice/telemetry") as {
    figures: { qber?: { last: number } };
  };
  const { qber } = sample;
  t.true((qber?.last ?? 0) > 0.015 && (qber?.last ?? 1) < 0.045, JSON.stringify(qber));
  const alarms = () => [...site.told.keys()].filter((topic) => /^alarm\/.*alice/.test(topic));
  for (const topic of alarms()) site.told.delete(topic);
  site.pair.alice.unplug();
  await board.until(() => alarms().length > 0 && moduleOf("alice") !== "OPERATING", 900);
  site.pair.alice.plug();
  await board.until(() => moduleOf("alice") === "OPERATING", 180);
  await settled(t);
});

life("a USB port that is pulled and plugged again has its name again, and its keys", async (t) => {
  await board.qmp("device_del", { id: "alice" });
  await board.until(async () => (await board.run("test -e /dev/qkd/QKD-A-0001")).code !== 0);
  await board.until(() => moduleOf("alice") !== "OPERATING");
  await board.qmp("device_add", site.usb("alice"));
  await board.until(async () => (await board.run("test -e /dev/qkd/QKD-A-0001")).code === 0);
  await board.until(() => moduleOf("alice") === "OPERATING", 180);
  await settled(t);
});

life("a node that makes no progress is killed by the watchdog, and loses no key", async (t) => {
  const before = await mainPid();
  const restarts = async () => Number(await board.sh("systemctl show -P NRestarts qkd-node"));
  const restartsBefore = await restarts();
  await board.sh(`kill -STOP ${before}`);
  const began = performance.now();
  await board.until(async () => !["0", before].includes(await mainPid()), 900);
  figures.watchdog_s = Math.round((performance.now() - began) / 1_000);
  t.is(await restarts(), restartsBefore + 1);
  t.is((await board.run("ls -A /var/lib/systemd/coredump")).output, "");
  await settled(t);
});

life(
  "the panel's process lives with a real HID device that is pulled and says nonsense",
  async (t) => {
    // Not the node's own panel: this one's story has tampering in it.
    await board.sh("systemctl mask --runtime qkd-panel.service && modprobe uhid");
    await putProgram(board, "board/panel-guest.ts", "/run/panel-guest.mjs");
    // By the name that udev gives it, since the kernel's number may be another after each plugging.
    const story = `${node} /run/panel-guest.mjs /usr/lib/qkd-node/bin/qkd-panel /dev/qkd-panel`;
    const { code, output } = await board.run(story, 1_800);
    t.is(code, 0, output);
    t.notRegex(output, /^not ok/m);
    t.regex(output, /^ok the process ends in order$/m);
    await board.sh("systemctl unmask --runtime qkd-panel.service");
  },
);

life("a chassis that is opened stops supply until somebody has looked", async (t) => {
  await putProgram(board, "emulator/panel/cli.ts", "/run/panel.mjs");
  const say = (word: string) => board.sh(`echo ${word} >>/run/panel-words`);
  await say("status");
  const reading = `tail -n +1 -f /run/panel-words | ${node} /run/panel.mjs --uhid`;
  await board.sh(`systemd-run --quiet --unit=test-panel sh -c '${reading}'`);
  await board.until(async () => (await board.run("systemctl is-active qkd-panel")).code === 0);
  const shown = "journalctl -o cat -u test-panel | grep lights | tail -n 1";
  const lamp = async () => (await board.run(shown)).output;
  await board.until(async () => /"supply":\{[^}]*"colour":"green"/.test(await lamp()));
  await settled(t);

  await say("open 1");
  await board.until(() => [...site.told.keys()].some((topic) => /^alarm\/.*tamper/.test(topic)));
  const [keys, given] = [site.kms.alice.store.size, site.given];
  // Blocks are distilled all the same, and wait in the modules.
  await board.until(() => site.given >= given + 24);
  t.is(site.kms.alice.store.size, keys);
  await say("close 1");
  // The panel says in its own time that it is closed: until then an operator is refused, and orders again.
  const result = "cmd/clear_tamper/result";
  await board.until(async () => {
    site.told.delete(result);
    await site.command("clear_tamper", {});
    await board.until(() => site.told.has(result), 120);
    return (site.told.get(result) as { readonly status: string }).status === "done";
  });
  await board.until(() => site.kms.alice.store.size > keys);
  await settled(t);
  await board.sh("systemctl stop test-panel");
});

life("a data partition in which an error was seen is mended at the next start", async (t) => {
  await settled(t);
  await board.sh(
    "echo by a test >/sys/fs/ext4/$(basename $(readlink -f /dev/disk/by-partlabel/data))/trigger_fs_error",
  );
  // Until then it can only be read, and nothing is supplied that could not be recorded.
  t.not((await board.run("touch /var/lib/look")).code, 0);
  await board.cutPower();
  await board.on();
  await board.reachable(900);
  t.regex(await board.sh("journalctl -b -k -o cat"), /check forced/);
  await board.sh("touch /var/lib/look && rm /var/lib/look");
  await settled(t);
});

life(
  `${cuts} power cuts in mid-flow lose no key and double none`,
  async (t) => {
    const started: number[] = [];
    for (let i = 0; i < cuts; i++) {
      const keys = site.keys;
      await board.until(() => site.keys > keys + 10, 900);
      // Anywhere between two blocks.
      await delay(systemClock, Math.random() * 5_000);
      await board.cutPower();
      await board.on();
      started.push(Math.round(await board.says(/Started.*qkd-node/, 900)));
      // A long campaign is watched.
      if (cuts > 1) process.stderr.write(`cut ${i + 1}: ready after ${started.at(-1)} s\n`);
    }
    await board.reachable();
    await settled(t);
    started.sort((a, b) => a - b);
    figures.ready_s = { median: started[started.length >> 1], most: started.at(-1) };
    await board.until(async () => (await board.run("systemd-analyze")).code === 0);
    figures.boot = (await board.sh("systemd-analyze | head -n 1")).replace(/^.*finished in /, "");

    // Nothing is on its way any more: the books must be the same everywhere.
    site.finish();
    await settled(t);
    figures.keys = site.keys;
    figures.clean_starts = started.length;
    t.is(site.unequal(), 0);
    for (const end of ends) t.is(site.kms[end].store.size, site.given, end);
    await board.sh("systemctl stop qkd-node", 300);
    // Files of the node are for its own user alone.
    const own = "setpriv --reuid=qkd-node --regid=qkd-node --clear-groups";
    const ledgers = await board.sh(`${own} qkd-node ledger check`, 300);
    t.log(ledgers);
  },
  30 + 5 * cuts,
);
