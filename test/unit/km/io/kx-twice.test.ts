/** A key manager that runs twice, with one ID and certificate: what one process asked for, the other may have had. */
import test from "ava";
import { eventually } from "../../../eventually.ts";
import { withKx } from "../../../rig/kx-bench.ts";

test("a process that another one took the place of gets no session any more, and that is told", async (t) => {
  await withKx(async ({ dialer, door, b }) => {
    const first = dialer({ incarnation: Buffer.alloc(16, 1) });
    first.link.start();
    await eventually("both ends", () => b.sessions.length * first.end.sessions.length, { is: 1 });
    // A line that was cut is no other process.
    first.end.session.close("a test");
    await eventually("the first again", () => b.sessions.length, { is: 2 });
    const copy = dialer({ incarnation: Buffer.alloc(16, 2) });
    copy.link.start();
    await eventually("its copy", () => b.sessions.length, { is: 3 });
    await eventually("the first is refused", () => b.twice, { atLeast: 1 });
    await eventually("and that is counted", () => door.faults.get("kx.peer") ?? 0, { atLeast: 1 });
    t.is(b.sessions.length, 3);
    t.true(copy.link.isUp);
    await first.link.stop();
    // It begins anew: as a disk that was put back.
    const again = dialer({ incarnation: Buffer.alloc(16, 3) });
    again.link.start();
    await eventually("the next start", () => b.sessions.length, { atLeast: 4 });
    t.deepEqual(b.session.hello.incarnation, Buffer.alloc(16, 3));
    await eventually("the copy is refused", () => b.twice, { atLeast: 2 });
  });
});
