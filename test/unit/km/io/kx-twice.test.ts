/** A key manager that runs twice, with one ID and certificate: what one process asked for, the other may have had. */
import test from "ava";
import { eventually } from "../../../eventually.ts";
import { frames, helloOf, type KxEnd, withKx } from "../../../rig/kx-bench.ts";

const word = { type: "fateOk", number: 1 } as const;

/** A process that runs says something in its session. */
async function speaks({ session }: KxEnd, { messages }: KxEnd): Promise<void> {
  const before = messages.length;
  session.send(word);
  await eventually("its word", () => messages.length, { atLeast: before + 1 });
}

test("a process that another one took the place of gets no session any more, and that is told", async (t) => {
  await withKx(async ({ dialer, door, b }) => {
    const first = dialer({ incarnation: Buffer.alloc(16, 1) });
    first.link.start();
    await eventually("both ends", () => b.sessions.length * first.end.sessions.length, { is: 1 });
    await speaks(first.end, b);
    // A line that was cut is no other process.
    first.end.session.close("a test");
    await eventually("the first again", () => b.sessions.length, { is: 2 });
    const copy = dialer({ incarnation: Buffer.alloc(16, 2) });
    copy.link.start();
    await eventually("its copy", () => b.sessions.length * copy.end.sessions.length, { is: 3 });
    await speaks(copy.end, b);
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
    await eventually("its session", () => again.end.sessions.length, { atLeast: 1 });
    await speaks(again.end, b);
    await eventually("the copy is refused", () => b.twice, { atLeast: 2 });
  });
});

test("a HELLO that the network kept, of a process that is over, is no second process", async (t) => {
  await withKx(async ({ dialer, door, b, open, identity }) => {
    const first = dialer({ incarnation: Buffer.alloc(16, 1) });
    first.link.start();
    await eventually("the first", () => b.sessions.length * first.end.sessions.length, { is: 1 });
    await speaks(first.end, b);
    await first.link.stop();
    const next = dialer({ incarnation: Buffer.alloc(16, 2) });
    next.link.start();
    await eventually("the next", () => b.sessions.length * next.end.sessions.length, { is: 2 });
    await speaks(next.end, b);
    const late = await open(await identity("km-a.example"));
    late.end(frames(helloOf({ incarnation: Buffer.alloc(16, 1) })));
    await eventually("it is refused", () => door.faults.get("kx.peer") ?? 0, { is: 1 });
    t.is(b.twice, 0);
    t.true(next.link.isUp);
  });
});

test("one of a process that was over before its first session takes the place of none", async (t) => {
  await withKx(async ({ dialer, b, open, identity }) => {
    const { end, link } = dialer({ incarnation: Buffer.alloc(16, 2) });
    link.start();
    await eventually("a session", () => b.sessions.length * end.sessions.length, { is: 1 });
    await speaks(end, b);
    const late = await open(await identity("km-a.example"));
    late.end(frames(helloOf({ incarnation: Buffer.alloc(16, 1) })));
    const isBack = () =>
      b.session.hello.incarnation[0] === 2 && b.sessions.length >= 3 && link.isUp;
    await eventually("the session of the one that runs", isBack, { is: true });
    t.is(b.twice, 0);
  });
});
