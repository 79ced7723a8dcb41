/** All descriptors are taken for a while, most often by connections. */
import test from "ava";
import { errorCode } from "../../../../src/base/errors.ts";
import { withDescriptor } from "../../../../src/host/disk/descriptors.ts";
import { systemError } from "../../../faults/disk.ts";

/** Fails so often, then opens. */
function failing(times: number, code: string) {
  const seen = { tries: 0, waitedMs: 0 };
  const open = async () => {
    seen.tries++;
    if (seen.tries <= times) throw systemError(code);
    return "opened";
  };
  const pause = async (ms: number) => {
    seen.waitedMs += ms;
  };
  return { seen, open, pause };
}

test("a file is opened as soon as a descriptor is free", async (t) => {
  for (const code of ["EMFILE", "ENFILE"]) {
    const { seen, open, pause } = failing(3, code);
    t.is(await withDescriptor(open, pause), "opened");
    t.is(seen.tries, 4);
  }
});

test("what is wrong with the file itself is told at once, and a want that lasts after ten seconds", async (t) => {
  const missing = failing(9, "ENOENT");
  const first = await t.throwsAsync(withDescriptor(missing.open, missing.pause));
  t.deepEqual([errorCode(first), missing.seen.tries], ["ENOENT", 1]);
  const lasting = failing(Number.POSITIVE_INFINITY, "EMFILE");
  t.is(errorCode(await t.throwsAsync(withDescriptor(lasting.open, lasting.pause))), "EMFILE");
  t.is(lasting.seen.waitedMs, 10_000);
});
