/** Two key managers with one certificate, as after a disk was copied, at a controller as an operator runs it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { eventually } from "../eventually.ts";
import { ControllerProcess, type TestKm } from "../rig/controller-process.ts";
import { deadline } from "../rig/with-rig.ts";

test.serial("two key managers with one identity are an alarm", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-controller-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const controller = await ControllerProcess.make({ folder, tables: "[node.km-a]\n[node.km-b]\n" });
  t.teardown(() => controller.process.stop("SIGKILL"));
  await controller.start(deadline());
  const kms: TestKm[] = [];
  for (const name of ["km-a", "km-b", "km-a"]) kms.push(await controller.km(name));
  t.teardown(() => Promise.all(kms.map((km) => km.stop())));
  const alarms = async () =>
    (await controller.status()).alarms.flatMap(({ alarm }) =>
      /^km_twice/.test(alarm) ? alarm : [],
    );
  await eventually("it is told", async () => (await alarms()).length, { is: 1 });
  t.deepEqual(await alarms(), ["km_twice.km-a"]);
});
