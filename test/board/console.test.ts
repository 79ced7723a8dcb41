/** The maintenance console on an emulated board: on its serial port, by the key of a panel that is a HID device. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { lifeOf } from "./life.ts";
import { Machine } from "./machine.ts";
import { node, putProgram } from "./program.ts";

const image =
  process.env.QKD_IMAGE ?? fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
const folder = mkdtempSync(join(tmpdir(), "qkd-console-"));
/** An emulated guest is some twenty times slower than a machine, ms. */
const quiet = 20_000;

let board: Machine;
/** How much of the console was looked at. */
let seen = 0;

test.before(async () => {
  if (builtFiles(image) === undefined) throw new Error("no image: scripts/image build");
  mkdirSync(join(folder, "board"));
  board = new Machine({
    image,
    folder: join(folder, "board"),
    start: "direct",
    cmdline: "qkd.test systemd.show_status=true systemd.status_unit_format=name",
    typed: join(folder, "typed"),
  });
  await board.on();
  await board.reachable();
});

test.after.always(async () => {
  await board?.cutPower();
  rmSync(folder, { recursive: true, force: true });
  clearInterval(keepAlive);
});

const life = lifeOf(
  () => board,
  40,
  async () => [(await board.run("journalctl -b -u 'qkd-*' -n 60 -o cat")).output],
);

const panel = (word: string) => board.sh(`echo ${word} >>/run/panel-words`);

/** What the console has said since it was looked at last. */
const news = () => board.console.slice(seen);

async function says(pattern: RegExp): Promise<void> {
  await board.until(() => pattern.test(news()), 600);
  seen = board.console.length;
}

async function types(line: string, answer: RegExp): Promise<void> {
  await board.type(line);
  await says(answer);
}

/** Nobody answers what is typed. */
async function silent(t: ExecutionContext): Promise<void> {
  seen = board.console.length;
  for (const line of ["", "status", "root", "help"]) await board.type(line);
  await delay(systemClock, quiet);
  t.notRegex(news(), /qkd>|login|password|# ?$/i);
  t.not((await board.run("systemctl is-active qkd-console.service")).code, 0);
}

life("without a panel, and with its key at operation, nobody answers", async (t) => {
  await silent(t);
  await board.until(async () => (await board.run("test -s /run/qkd-update/slots")).code === 0);
  await board.sh("modprobe uhid");
  await putProgram(board, "emulator/panel/cli.ts", "/run/panel.mjs");
  await panel("status");
  const reading = `tail -n +1 -f /run/panel-words | ${node} /run/panel.mjs --uhid`;
  await board.sh(`systemd-run --quiet --unit=test-panel sh -c '${reading}'`);
  await board.until(async () => (await board.run("systemctl is-active qkd-panel")).code === 0);
  await board.until(
    async () =>
      (await board.run("journalctl -q -u qkd-panel | grep 'controller heard'")).code === 0,
  );
  await silent(t);
});

life("with the key there is a console that looks, and does nothing else", async (t) => {
  seen = board.console.length;
  await panel("key on");
  await says(/maintenance console\. What is typed is recorded\.[\s\S]*qkd> /);
  // A blank board has no configuration: the node does not run.
  await types("status", /the node is not running[\s\S]*qkd> /);
  await types("update status", /SLOT +STATE +VERSION[\s\S]*running[\s\S]*qkd> /);
  await types("network", /(eth0|en\w+)[\s\S]*qkd> /);
  await types("journal -n 5", /qkd-node[\s\S]*qkd> /);
  await types("support-bundle", /support-bundle\.tar\.gz[\s\S]*QKD-SITE[\s\S]*qkd> /);
  await types("zeroize alice", /no such command here: zeroize[\s\S]*qkd> /);
  await types("sh", /no such command here: sh[\s\S]*qkd> /);

  const pid = (await board.sh("systemctl show -P MainPID qkd-console")).trim();
  const status = await board.sh(`cat /proc/${pid}/status`);
  t.regex(status, /Uid:\s+973\s+973/);
  t.regex(status, /CapBnd:\s+0000000000000000/);
  t.regex(status, /NoNewPrivs:\s+1/);
  const exposure = await board.sh(
    "systemd-analyze security --no-pager qkd-console | tail -n 1",
    300,
  );
  t.true(Number(/[\d.]+/.exec(exposure.replace(/^.*service:/, ""))?.[0]) <= 1.5, exposure);
  t.regex(await board.sh("journalctl -q -b -u qkd-console -o cat"), /command: "zeroize alice"/);
});

life("its user has no way to the slots, the state, or the credentials", async (t) => {
  const as = "setpriv --reuid=973 --regid=973 --clear-groups --no-new-privs";
  const rauc = "busctl call de.pengutronix.rauc / de.pengutronix.rauc.Installer";
  await board.sh(`${rauc} GetPrimary`);
  for (const call of ["GetPrimary", "Mark ss bad other", 'InstallBundle "sa{sv}" /tmp/x 0']) {
    const said = await board.run(`${as} ${rauc} ${call} 2>&1`);
    t.not(said.code, 0);
    t.regex(said.output, /denied|rejected/i, call);
  }
  for (const path of ["/var/lib/qkd-node", "/etc/credstore.encrypted"]) {
    t.not((await board.run(`${as} ls ${path}`)).code, 0, path);
  }
  t.is(
    (await board.sh("stat -c '%a %U %G' /run/qkd-maintenance")).trim(),
    "2750 qkd-node qkd-maintenance",
  );
});

life("it ends with the key, with the panel's process, and with an open chassis", async (t) => {
  seen = board.console.length;
  await panel("key off");
  await says(/The session is over: the key was turned back\./);
  await silent(t);

  await panel("key on");
  await says(/qkd> /);
  await board.sh("systemctl kill --signal=SIGSTOP qkd-panel");
  await says(/The session is over/);
  await board.sh("systemctl kill --signal=SIGCONT qkd-panel");
  await says(/qkd> /);
  await board.sh("systemctl stop qkd-panel");
  await board.until(
    async () => (await board.run("systemctl is-active qkd-console")).code !== 0,
    60,
  );
  await silent(t);

  await board.sh("systemctl start qkd-panel");
  await says(/qkd> /);
  await board.type("journal --follow");
  await panel("open 1");
  await says(/The session is over/);
  await silent(t);

  // What was opened stays so, whatever controller says otherwise.
  await panel("replace");
  await panel("key on");
  await silent(t);
});
