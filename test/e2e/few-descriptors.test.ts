/** A key manager whose descriptors are all taken by connections: its store waits for one, and fails not. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { testWholeWith } from "../needs.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";

testWholeWith("prlimit", "connections that take all descriptors end no key manager", async (t) => {
  t.timeout(180_000);
  const rig = await Rig.start({
    source: seedSource({ seed: 8, blockBits: 8_192, blocks: 100_000, clock: systemClock }),
    ...{ baud: 0, keyBits: 256, realKms: true },
  });
  t.teardown(() => rig.close());
  const { alice, bob } = rig.kms as KmPair;
  const clientOf = (km: typeof alice) => {
    const client = new ApplicationClient(km, km.applications[0] as never);
    t.teardown(() => client.close());
    return client;
  };
  const [a, b] = [clientOf(alice), clientOf(bob)];
  const key = async () => (await a.encKeys(b.sae)).status;
  await rig.until("keys are given", key, { is: 200 });
  const pid = alice.process.pid as number;
  const open = () => readdirSync(`/proc/${pid}/fd`).length;
  const limit = (most: number) =>
    execFileSync("prlimit", ["--pid", String(pid), `--nofile=${most}:`]);
  const sockets: Socket[] = [];
  const drop = () => {
    for (const socket of sockets.splice(0)) socket.destroy();
  };
  t.teardown(drop);
  const few = open() + 4;
  limit(few);
  // Those that were cut for others are followed by more.
  const more = () => {
    for (let n = 0; n < 8; n++) {
      const socket = connect({ port: Number(new URL(alice.url).port), host: "127.0.0.1" });
      socket.on("error", () => {});
      sockets.push(socket);
    }
    return open();
  };
  await rig.until("all are taken", more, { atLeast: few - 1 });
  // Also while it is asked how it is, and keys of its node come.
  const matched = () => {
    more();
    return rig.keysAt(rig.bob);
  };
  const before = matched();
  await rig.until("keys come at the other end", matched, { atLeast: before + 50_000 });
  drop();
  limit(4_096);
  await rig.until("keys are given again", key, { is: 200 });
  t.is(alice.process.pid, pid);
  const [held] = heldKeys(await a.encKeys(b.sae));
  t.deepEqual(heldKeys(await b.decKeys(a.sae, [held?.id as string])), [held]);
});
