import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { Reserve } from "../../../../src/km/io/engine/reserve.ts";
import { openIdFile } from "../../../../src/km/io/id-memory-file.ts";
import { ManualClock } from "../../../clock.ts";
import { Disk, systemError } from "../../../faults/disk.ts";

test("the reserve of the store makes way for confirmed IDs when other files fill the disk", async (t) => {
  const disk = new Disk();
  const clock = new ManualClock();
  const reserve = new Reserve(disk, "/km", 4_096, clock);
  await reserve.make();
  const failed: Fault[] = [];
  const options = {
    files: disk,
    folder: "/km/ids",
    name: "m",
    keyCheck: Buffer.from("12345678"),
    most: 4,
    onFailure: (fault: Fault) => failed.push(fault),
    withRoom: <T>(write: () => Promise<T>) => reserve.use(write),
  };
  const file = await openIdFile(options);
  const digests = Buffer.alloc(80, 7);
  // Each write once; also where the other of the two files begins.
  for (let from = 0; from < digests.length; from += 16) {
    await clock.advance(60_000);
    await reserve.make();
    const full = disk.operations + 1;
    disk.trouble = (n) => (n === full ? systemError("ENOSPC") : undefined);
    file.append(digests.subarray(from, from + 16));
    await new Promise<void>((resolve) => file.settled(resolve));
    t.deepEqual(failed, []);
    t.false(reserve.isThere);
  }
  await file.close();
  disk.trouble = () => undefined;
  const again = await openIdFile(options);
  t.true(again.digests.length >= 4 * 8);
  await again.close();
});
