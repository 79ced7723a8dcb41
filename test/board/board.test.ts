/** The image on an emulated board: from blank to first key, and what may happen after that. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { Stick } from "./stick.ts";

const image = fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
const figures: Record<string, unknown> = {};

let site: Site;
let board: Machine;

test.before(async () => {
  if (builtFiles(image) === undefined) throw new Error("no image: scripts/image build");
  site = await Site.open();
  const folder = join(site.folder, "board");
  mkdirSync(folder);
  const module = (id: "alice" | "bob", on: "usb" | "pci", serial: string) => ({
    id,
    on,
    serial,
    socket: join(site.modules, `${id}.sock`),
  });
  board = new Machine({
    image,
    folder,
    start: "direct",
    cmdline: "qkd.test systemd.show_status=true systemd.status_unit_format=name",
    modules: [module("alice", "usb", "QKD-A-0001"), module("bob", "pci", "QKD-B-0001")],
  });
});

test.after.always(async (t) => {
  t.log(JSON.stringify(figures));
  await board?.cutPower();
  await site?.close();
  clearInterval(keepAlive);
});

/** Tests go on from each other, as a board's life does. */
function life(title: string, body: (t: import("ava").ExecutionContext) => Promise<void>): void {
  test.serial(title, async (t) => {
    t.timeout(15 * 60_000);
    try {
      await body(t);
    } catch (error) {
      t.log(board.console.slice(-3_000));
      throw error;
    }
  });
}

/** The board has let go of the stick for the n-th time. */
function stickDone(times: number): Promise<void> {
  const count = "journalctl -q -o cat -u 'qkd-site@*' | grep -c 'may be pulled'";
  return board.until(async () => Number((await board.run(count)).output) >= times, 300);
}

life("a blank board starts, makes its own key, and asks for a certificate", async (t) => {
  await board.on();
  await board.reachable();
  figures.first_start_s = (performance.now() - board.startedAt) / 1_000;
  const stick = new Stick(site.folder);
  await stick.plug(board);
  await stickDone(1);
  await stick.unplug(board);
  const [request] = stick.list().filter((name) => name.endsWith(".csr"));
  t.truthy(request, stick.list().join());
  site.nodeId = (request ?? "").replace(".csr", "");
  t.regex(stick.read("result.txt") ?? "", /nothing taken/);

  const certificate = site.authority.node(site.nodeId, stick.read(request ?? "") ?? "");
  stick.put("site/node.crt", certificate);
  stick.put("site/site-ca.crt", site.authority.read());
  stick.put("site/node.toml", site.configuration(site.nodeId));
  site.distil({ everyMs: 1_000 });
  await stick.plug(board);
  await stickDone(2);
  await stick.unplug(board);
  t.regex(stick.read("result.txt") ?? "", /taken: the node runs/);
});

life("keys arrive at the KMs, the same as the modules were given", async (t) => {
  await board.until(() => site.keys >= 40, 180);
  t.like(site.check(), { foreign: 0, conflicts: 0 });
  t.is((await board.sh("systemctl is-active qkd-node")).trim(), "active");
  figures.rss_mb =
    Number(await board.sh("grep VmRSS /proc/$(pidof -s node)/status | tr -dc 0-9")) / 1_000;
});
