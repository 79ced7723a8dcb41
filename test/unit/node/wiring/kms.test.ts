import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import type { KmConfig } from "../../../../src/node/config/tables.ts";
import { openState } from "../../../../src/node/state/state.ts";
import { resetState } from "../../../../src/node/state/state-tool.ts";
import { StateStore } from "../../../../src/node/state/store.ts";
import { Kms } from "../../../../src/node/wiring/kms.ts";
import { Disk, systemError } from "../../../faults/disk.ts";

const disk = new Disk();

/** A start of a node with the KM `main` at an address. */
async function start(host: string): Promise<Kms> {
  const km = { name: "main", host, port: 1, transport: "tls" } as KmConfig;
  const state = new StateStore(await openState(disk, "/state"));
  return Kms.open([{ kms: [km] }], state, silentLog);
}

test.serial(
  "with the state it is lost who a KM was: it is not assumed, but asked for",
  async (t) => {
    const [first] = (await start("km-1.example")).nameOf("main").claimants;
    const [moved] = (await start("km-2.example")).nameOf("main").claimants;
    t.not(moved, first);
    for (const which of [0, 1]) disk.put(`/state/state.${which}`, Buffer.from("damaged"));
    await resetState(disk, "/state", 9, []);

    const kms = await start("km-2.example");
    t.deepEqual(kms.nameOf("main").claimants, [moved], "keys of the first are not this one's");
    t.deepEqual(kms.claimantsOf("main").former, [first], "they can be freed");
    t.is(kms.named(first), "main (as before the state was lost)");
    t.deepEqual((await kms.accept("main")).claimants, [moved, first]);
    t.deepEqual((await start("km-2.example")).nameOf("main").claimants, [moved, first]);
  },
);

test.serial(
  "an operator's word that could not be written is carried out when it is said again",
  async (t) => {
    const kms = await start("km-3.example");
    disk.trouble = () => systemError("EIO");
    await t.throwsAsync(kms.accept("main"));
    disk.trouble = () => undefined;
    const { claimants } = await kms.accept("main");
    t.is(claimants.length, 3);
    t.deepEqual((await start("km-3.example")).nameOf("main").claimants, claimants);
    await t.throwsAsync(kms.accept("nobody"), { message: /never another/ });
  },
);
