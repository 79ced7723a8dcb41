/** Updates on an emulated board that starts as hardware does: firmware with Secure Boot, boot loader, kernel. */
import { createHash } from "node:crypto";
import { copyFileSync, createReadStream, mkdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { signingKeys } from "../../scripts/image.d/keys.ts";
import { find } from "../find.ts";
import { lifeOf } from "./life.ts";
import { Machine } from "./machine.ts";
import { ends, Site } from "./site.ts";
import { foreignUpdateKeys, makeVariant, testKeys } from "./variant.ts";

const built =
  process.env.QKD_IMAGE ?? fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
const figures: Record<string, unknown> = {};

let site: Site;
let board: Machine;
let server: Server;
const bundles: Record<string, string> = {};
let making: Promise<void>;

test.before(async () => {
  if (builtFiles(built) === undefined) throw new Error("no image: scripts/image build");
  if (find("qemu-system-aarch64") === undefined) throw new Error("apt-get install qemu-system-arm");
  site = await Site.open();
  const keys = await testKeys(site.folder);
  const variant = (name: string, version: string, append: readonly string[], disk = false) =>
    makeVariant({
      from: built,
      out: join(site.folder, name),
      version,
      keys,
      append: ["qkd.test", ...append],
      disk,
    });
  await variant("first", "0.1.0", [], true);
  // The others are made while the first starts.
  making = (async () => {
    bundles.good = await variant("good", "0.1.1", []);
    bundles.damaged = join(site.folder, "damaged.raucb");
    copyFileSync(bundles.good, bundles.damaged);
    const file = await open(bundles.damaged, "r+");
    await file.write(Buffer.alloc(4_096, 0x51), 0, 4_096, 20 << 20);
    await file.close();
    bundles.foreign = await makeVariant({
      from: built,
      out: join(site.folder, "foreign"),
      version: "0.1.3",
      keys: { ...keys, ...(await foreignUpdateKeys(site.folder)) },
      append: ["qkd.test"],
    });
    bundles.old = await variant("old", "0.0.9", []);
    bundles.bad = await variant("bad", "0.1.2", [
      "systemd.mask=qkd-node.service",
      "systemd.setenv=QKD_HEALTH_SECONDS=10",
    ]);
  })();

  const tls = site.authority.issue("updates", "serverAuth", "IP:10.0.2.2");
  const pem = { cert: readFileSync(tls.cert), key: readFileSync(tls.key) };
  server = createServer(pem, (request, response) => {
    const bundle = bundles[request.url?.slice(1) ?? ""];
    if (bundle === undefined) response.writeHead(404).end();
    else createReadStream(bundle).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const folder = join(site.folder, "board");
  mkdirSync(folder);
  board = new Machine({
    image: join(site.folder, "first"),
    folder,
    start: "firmware",
    secure: true,
    variables: join(folder, "variables"),
    modules: site.attached,
  });
});

test.after.always(async (t) => {
  t.log(JSON.stringify(figures));
  await board?.cutPower();
  await making?.catch(() => {});
  server?.close();
  await site?.close();
  clearInterval(keepAlive);
});

const life = lifeOf(() => board, 90);

const slot = () => board.sh("cat /run/qkd-slot").then((text) => text.trim());
const kernels = () =>
  board.sh(
    // Nobody else may have it mounted meanwhile.
    `flock /run/qkd-esp/lock sh -ec 'mkdir -p /run/look; mount -o ro /dev/disk/by-partlabel/esp /run/look;
    ls /run/look/EFI/Linux; umount /run/look'`.replace(/\n\s*/g, " "),
  );

/** How often the kernel was started since the power came on. */
const starts = () => board.console.match(/EFI stub: Booting/g)?.length ?? 0;

/** Looks every tenth of a second; says how long no key came at the longest, s. */
function watchSupply(): () => number {
  const count = () => ends.reduce((sum, end) => sum + site.kms[end].store.size, 0);
  let [keys, since, longest] = [count(), performance.now(), 0];
  const look = () => {
    longest = Math.max(longest, performance.now() - since);
    if (count() === keys) return;
    [keys, since] = [count(), performance.now()];
  };
  const timer = setInterval(look, 100);
  return () => {
    look();
    clearInterval(timer);
    return longest / 1_000;
  };
}

/** Commands an update; resolves with the event that tells how it ended. */
async function update(name: string, more: Record<string, unknown> = {}) {
  await Promise.race([making, board.until(() => bundles[name] !== undefined, 1_800)]);
  const { port } = server.address() as AddressInfo;
  const hash = createHash("sha256")
    .update(readFileSync(bundles[name] ?? ""))
    .digest("hex");
  const before = site.events.length;
  await site.command("install_update", {
    bundle: `https://10.0.2.2:${port}/${name}`,
    sha256: hash,
    ...more,
  });
  const ended = () =>
    site.events.slice(before).find(({ type }) => String(type).startsWith("update_")) as
      | { readonly type: string; readonly facts: { readonly reason?: string } }
      | undefined;
  // A guest that has a tenth of a processor takes a quarter of an hour to fetch and install.
  await board.until(() => ended() !== undefined, 2_400);
  return ended();
}

life("a signed image starts under Secure Boot, and keys flow", async (t) => {
  await board.on();
  await board.reachable(900);
  figures.firmware_start_s = Math.round((performance.now() - board.startedAt) / 1_000);
  t.regex(board.console, /UEFI Secure Boot is enabled/);
  t.is(await slot(), "a");
  await board.until(
    async () => (await board.run("test -e /etc/qkd-node/node.csr")).code === 0,
    600,
  );
  site.distil(5_000, 32);
  await site.provision(board);
  await board.until(() => site.keys >= 16, 600);
});

life(
  "an update goes in while keys flow; none is lost or doubled, and the slot stays",
  async (t) => {
    const [before, startsBefore] = [site.given, starts()];
    const interruption = watchSupply();
    const ended = await update("good");
    t.is(ended?.type, "update_installed", ended?.facts.reason);
    const off = performance.now();
    await board.until(() => starts() > startsBefore, 300);
    const keys = site.keys;
    await board.until(() => site.keys > keys + 32, 900);
    figures.command_to_keys_s = Math.round((performance.now() - off) / 1_000);
    await board.reachable(900);
    t.is(await slot(), "b");
    await board.until(async () => /-b\+5\.efi/.test(await kernels()), 600);
    // The trial is over: all that was distilled since the command, a thousand keys and more, is there once.
    await board.until(() => site.given - before >= 1_000, 900);
    const missing = site.missing();
    await board.until(() => missing() === 0, 900);
    figures.update_interruption_s = Math.round(interruption());
    figures.keys_in_flow = site.given - before;
    t.deepEqual(site.check(), { foreign: 0, doubled: 0, conflicts: 0 });
  },
);

life("a damaged bundle, one of a stranger's and an older one are refused", async (t) => {
  const refusals: Record<string, string | undefined> = {};
  for (const name of ["damaged", "foreign", "old"]) {
    const ended = await update(name);
    t.is(ended?.type, "update_refused", name);
    refusals[name] = ended?.facts.reason;
  }
  t.log(JSON.stringify(refusals, null, 1));
  t.regex(refusals.foreign ?? "", /signature|certificate/i);
  t.regex(refusals.old ?? "", /older/);
  t.is(await slot(), "b");
  t.is((await board.sh("systemctl is-active qkd-node")).trim(), "active");
});

life("a slot that is not good gives way to the one before", async (t) => {
  const missing = site.missing();
  const before = starts();
  const ended = await update("bad");
  t.is(ended?.type, "update_installed", ended?.facts.reason);
  // Three tries of it, and the start of the one before.
  await board.until(() => starts() >= before + 4, 2_400);
  const keys = site.keys;
  await board.until(() => site.keys > keys + 16, 2_400);
  await board.reachable(900);
  t.is(await slot(), "b");
  t.regex(await kernels(), /-a-trial\+0-3\.efi/);
  await board.until(() => missing() === 0, 600);
  t.deepEqual(site.check(), { foreign: 0, doubled: 0, conflicts: 0 });
});

life("an older version goes in when an operator allows it", async (t) => {
  const before = starts();
  const ended = await update("old", { allow_downgrade: true });
  t.is(ended?.type, "update_installed", ended?.facts.reason);
  await board.until(() => starts() > before);
  const keys = site.keys;
  await board.until(() => site.keys > keys + 64, 900);
  await board.reachable(900);
  t.is(await slot(), "a");
  await board.until(async () => /-a\+5\.efi/.test(await kernels()), 600);
});

life("firmware with other keys does not start the image", async (t) => {
  await board.cutPower();
  const out = join(site.folder, "stranger");
  const keys = await signingKeys(undefined);
  await makeVariant({ from: built, out, version: "0.1.0", keys, append: [], disk: true });
  const folder = join(site.folder, "other");
  mkdirSync(folder);
  const other = new Machine({
    image: out,
    folder,
    start: "firmware",
    secure: true,
    variables: join(folder, "variables"),
  });
  await other.on();
  try {
    await other.says(/Access Denied|Security Violation/i, 600);
    t.notRegex(other.console, /EFI stub/);
  } finally {
    await other.cutPower();
  }
});
