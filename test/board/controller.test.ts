/** Two boards with a key manager each, and the network's controller on one of them: off where no configuration has it. */
import { fileURLToPath } from "node:url";
import test from "ava";
import { builtFiles } from "../../scripts/image.d/build.ts";
import type { ControllerStatus } from "../../src/controller/model/status.ts";
import { heldKeys } from "../rig/application.ts";
import { changedIsRefused, doctorIsContent, haveRoom, isConfined } from "./checks.ts";
import { lifeOf } from "./life.ts";
import { ends, saes, TwoBoards } from "./two-boards.ts";

const image =
  process.env.QKD_IMAGE ?? fileURLToPath(new URL("../../dist/image/qemu/virt", import.meta.url));
const keepAlive = setInterval(() => {}, 60_000);
const figures: Record<string, unknown> = {};

let two: TwoBoards;

test.before(async () => {
  if (builtFiles(image) === undefined) throw new Error("no image: scripts/image build");
  two = await TwoBoards.open(image, {}, "alice");
});

test.after.always(async (t) => {
  t.log(JSON.stringify(figures));
  await two?.close();
  clearInterval(keepAlive);
});

const life = lifeOf(
  () => two.boards.alice,
  40,
  async () => [await two.journal("alice"), two.boards.bob.console.slice(-3_000)],
);

const shown = async (command: string, end: "alice" | "bob" = "alice") =>
  (await two.boards[end].sh(command, 300)).trim();

life("the controller runs where the site's configuration has it, and nowhere else", async (t) => {
  for (const end of ends) {
    await two.boards[end].on();
    await two.boards[end].reachable(900);
  }
  await two.provision();
  await two.boards.alice.until(
    async () => (await shown("systemctl show -P ActiveState qkd-controller")) === "active",
  );
  t.is(await shown("systemctl show -P ActiveState qkd-controller", "bob"), "inactive");
  for (const end of ends) {
    t.is(await shown("systemctl list-units --failed --plain --no-legend", end), "", end);
  }
});

life("both key managers ask it, and it knows their link", async (t) => {
  await two.boards.alice.until(async () => {
    const { nodes, links } = JSON.parse(
      await shown("qkd-controller status --json"),
    ) as ControllerStatus;
    return (
      nodes.length === 2 &&
      nodes.every(({ attached }) => attached) &&
      links.some(({ state }) => state === "good")
    );
  }, 900);
  for (const end of ends) {
    const { controllers = [] } = JSON.parse(await shown("qkd-km status --json", end)) as {
      readonly controllers?: readonly { readonly connected: boolean }[];
    };
    t.true(
      controllers.some(({ connected }) => connected),
      end,
    );
  }
});

life("applications at both ends get the same key", async (t) => {
  const alice = two.application("alice");
  const bob = two.application("bob");
  try {
    await two.boards.alice.until(async () => {
      try {
        const [own] = heldKeys(await alice.encKeys(saes.bob));
        if (own === undefined) return false;
        const [other] = heldKeys(await bob.decKeys(saes.alice, [own.id]));
        t.is(other?.digest, own.digest);
        return true;
      } catch {
        // There are no keys yet.
        return false;
      }
    }, 900);
  } finally {
    alice.close();
    bob.close();
  }
});

life("its sandbox is in force, and a board of 1 GB has room for all three", async (t) => {
  const board = two.boards.alice;
  const hidden = ["/var/lib/qkd-node", "/var/lib/qkd-km"];
  figures.exposure = await isConfined(t, board, "qkd-controller", hidden);
  figures.memory_mb = await haveRoom(t, board, ["qkd-node", "qkd-km", "qkd-controller"]);
});

life("the doctor finds nothing wrong with it", (t) =>
  doctorIsContent(t, two.boards.alice, "qkd-controller"),
);

life("what was changed of it on the disk is refused, and the console says so", (t) =>
  changedIsRefused(t, two.boards.alice, "controller", "echo '# changed' >>$file"),
);
