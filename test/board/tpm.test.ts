/** Keys and data, sealed to a TPM: made at the first start, opened at each other, of no use elsewhere. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import { lifeOf } from "./life.ts";
import { Machine } from "./machine.ts";
import { Site } from "./site.ts";
import { makeVariant, testKeys } from "./variant.ts";

const built =
  process.env.QKD_IMAGE_TPM ?? fileURLToPath(new URL("../../dist/image/qemu/tpm", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);

let site: Site;
let board: Machine;
/** Folders of the TPMs' states. */
let tpms: { readonly own: string; readonly other: string };
let folder: string;

test.before(async () => {
  if (builtFiles(built) === undefined) {
    throw new Error("no image: scripts/image build --board qemu/tpm");
  }
  site = await Site.open();
  const out = join(site.folder, "image");
  const keys = await testKeys(site.folder);
  const which = { board: "qemu/tpm", from: built, out, version: "0.1.0", keys };
  await makeVariant({ ...which, append: ["qkd.test"], disk: true });
  folder = join(site.folder, "board");
  tpms = { own: join(site.folder, "tpm"), other: join(site.folder, "other-tpm") };
  mkdirSync(folder);
  board = new Machine({
    image: out,
    folder,
    start: "firmware",
    secure: true,
    variables: join(folder, "variables"),
    modules: site.attached.filter(({ on }) => on === "pci"),
    tpm: tpms.own,
  });
});

test.after.always(async () => {
  await board?.cutPower();
  await site?.close();
  clearInterval(keepAlive);
});

const life = lifeOf(() => board);

const log = (unit: string) => board.sh(`journalctl -b -q -o cat -u ${unit}`);
const keys = () => site.kms.bob.store.size;

/** Has the board start; its data partition, with all keys in it, can't be opened there. */
async function staysLocked(): Promise<void> {
  await board.on();
  await board.says(/cannot start: the TPM does not open the data partition/, 900);
  await board.cutPower();
}

life("a blank board seals its key to its TPM", async (t) => {
  await board.on();
  await board.reachable(900);
  await board.until(async () => (await board.run("test -e /etc/qkd-node/node.csr")).code === 0);
  t.regex(await log("qkd-provision"), /key sealed to the TPM/);
  t.true(existsSync(join(tpms.own, "tpm2-00.permall")));
  const ours = await board.sh("openssl req -in /etc/qkd-node/node.csr -noout -pubkey");
  const sealed = "systemd-creds decrypt /etc/credstore.encrypted/node.key -";
  t.is(await board.sh(`${sealed} | openssl pkey -pubout`), ours);
  // The firmware has measured what it checks signatures by.
  const pcr = await board.sh("cat /sys/class/tpm/tpm0/pcr-sha256/7");
  t.notRegex(pcr, /^0+$/);
});

life("the node opens it, and supplies keys with it", async (t) => {
  site.distil(5_000);
  await site.provision(board, ["bob"]);
  await board.until(() => keys() >= 16);
  t.pass();
});

life("after a power cut it is opened again, at the first try", async (t) => {
  await board.cutPower();
  const before = keys();
  await board.on();
  await board.until(() => keys() >= before + 16, 900);
  await board.reachable(900);
  t.is((await board.sh("systemctl show -P NRestarts qkd-node")).trim(), "0");
});

life("a configuration that was changed on the disk is not run with", async (t) => {
  const file = "/etc/qkd-node/site/node.toml";
  await board.sh(`cp -a ${file} /run/node.toml; echo '# changed' >>${file}`);
  await board.run("systemctl restart qkd-node", 300);
  t.is((await board.sh("systemctl show -P ExecMainStatus qkd-node")).trim(), "78");
  t.regex(await log("qkd-node"), /not what was taken: node\.toml was changed/);
  await board.sh(`cp -a /run/node.toml ${file} && systemctl restart qkd-node`, 300);
  const before = keys();
  await board.until(() => keys() >= before + 16, 900);
});

life("a key that is not sealed to the TPM is not taken", async (t) => {
  const store = "/etc/credstore.encrypted/node.key";
  const weaker = `systemd-creds decrypt ${store} - | systemd-creds encrypt --with-key=host --name=node.key -`;
  await board.sh(
    `cp -a ${store} /run/node.key; ${weaker} /run/host.key && cp /run/host.key ${store}`,
  );
  t.not((await board.run("systemctl restart qkd-node", 300)).code, 0);
  t.regex(await log("qkd-node"), /node\.key is not sealed to the TPM/);
  const before = keys();
  await board.sh(`cp -a /run/node.key ${store} && systemctl reset-failed qkd-node`);
  await board.sh("systemctl restart qkd-node", 300);
  await board.until(() => keys() >= before + 16, 900);
});

life("with another TPM it stays locked; with firmware that checks no signature, too", async (t) => {
  await board.cutPower();
  board.change({ tpm: tpms.other });
  await staysLocked();
  board.change({ tpm: tpms.own, secure: false, variables: join(folder, "open-variables") });
  await staysLocked();
  t.pass();
});

life("back on its own it opens", async (t) => {
  board.change({ tpm: tpms.own, secure: true, variables: join(folder, "variables") });
  const before = keys();
  await board.on();
  await board.until(() => keys() >= before + 16, 900);
  t.pass();
});
