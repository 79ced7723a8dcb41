/** `npm start -- --network`: key managers of a whole network and its controller, without nodes and modules. */
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import type { ControllerStatus } from "../../../src/controller/model/status.ts";
import { createAuthority } from "../../../test/emulator/certificates.ts";
import { patience } from "../../../test/patience.ts";
import { KmNet } from "../../../test/rig/km-net.ts";
import { RigController } from "../../../test/rig/network-controller.ts";
import { makeRigFolder } from "../../../test/rig/rig-folder.ts";
import { Feeder } from "./feeder.ts";
import type { Shape } from "./shape.ts";

const clock = systemClock;
/** Many processes start at once, on two cores perhaps. */
const startMs = 120_000;
const lookEveryMs = 500;

export interface ShownNetwork {
  readonly shape: Shape;
  readonly controller: RigController;
  readonly feeder: Feeder;
  /** What the controller told last. */
  status(): ControllerStatus | undefined;
  close(): Promise<void>;
}

/** A pool that some keys fill, on the controller's ways. */
const relayed = `routing = "controller"\nlow_bits = 16384\nhigh_bits = 65536\nbatch_bits = 8192`;

/** Starts everything; the key managers run when it returns. */
export async function startNetwork(
  shape: Shape,
  stop: AbortSignal,
  onLog?: (program: string, line: string) => void,
): Promise<ShownNetwork> {
  // What fails half way up leaves nothing running.
  await using opened = new AsyncDisposableStack();
  const { nodes, links, pairs, map } = shape;
  const folder = makeRigFolder(opened);
  const authority = await createAuthority("KM test CA");
  const controller = await RigController.make({
    folder: join(folder, "controller"),
    authority,
    places: nodes,
    map,
    fibres: links.map(({ ends, lengthKm }) => ({ ends, lengthKm, modules: [] })),
    pairs,
    bindings: {},
    spare: "spare",
    tables: "[routing]\nlow_bits = 8192\nenough_bits = 16384\nsettle_s = 0\nhold_down_s = 5\n",
    ...(onLog && { onLog: (line: string) => onLog("controller", line) }),
  });
  opened.defer(() => controller.stop());
  const others = (km: string) => pairs.filter((ends) => !ends.includes(km));
  const kms = await KmNet.make({
    folder: join(folder, "kms"),
    authority,
    kms: nodes,
    fibres: links.map(({ ends }) => ends),
    far: pairs.map((ends) => ({ ends, table: (end) => (end === ends[0] ? relayed : "") })),
    relay: (km) =>
      `transit = ${JSON.stringify(others(km).map((ends) => ends.map((end) => `km-${end}`)))}`,
    more: (km) => controller.tableOf(km),
    ...(onLog && { onLog }),
  });
  opened.defer(() => kms.stop());
  const until = patience(startMs, stop);
  await Promise.all([kms.start(until), controller.start(until)]);
  const feeder = new Feeder(kms, links, clock);
  opened.defer(() => feeder.stop());
  feeder.start();
  let last: ControllerStatus | undefined;
  let isOpen = true;
  const look = async () => {
    while (isOpen) {
      last = await controller.status().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
    }
  };
  const looking = look();
  opened.defer(async () => {
    isOpen = false;
    await looking;
  });
  const owned = opened.move();
  return { shape, controller, feeder, status: () => last, close: () => owned.disposeAsync() };
}
