import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import test from "ava";
import { dials } from "../../../../src/km/io/kx-link.ts";
import { maxWaiting } from "../../../../src/km/io/kx-outgoing.ts";
import type { KxMessage, UseBook } from "../../../../src/wire/kx/messages.ts";
import { alpnOf, command } from "../../../../src/wire/kx/names.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";
import { frames, helloOf, withKx } from "../../../rig/kx-bench.ts";

type Sessions = { readonly sessions: readonly unknown[] };
const paired = (a: Sessions, b: Sessions, n: number) =>
  eventually("sessions at both ends", () => a.sessions.length === n && b.sessions.length === n);
const closed = (socket: { readonly destroyed: boolean }) =>
  eventually("the socket is closed", () => socket.destroyed);
const match = (number: number): KxMessage => {
  return { type: "match", number, digest: Buffer.alloc(32, number) };
};

/** What an end heard, without what keeps a session alive on a machine that is slow. */
const heard = ({ messages }: { readonly messages: readonly KxMessage[] }) =>
  messages.filter(({ type }) => type !== "alive");

test("the KM whose ID is smaller dials", (t) => {
  t.true(dials("km-a", "km-b"));
  t.false(dials("km-b", "km-a"));
  // By bytes of UTF-8, not by UTF-16: as any language sorts them.
  t.true(dials("\uff5e", "😀"));
});

test("a session comes up: both know the other's HELLO, have one key, and messages come in order", async (t) => {
  await withKx(async ({ dialer, b, linkB }) => {
    const { end: a, link } = dialer();
    link.start();
    await paired(a, b, 1);
    t.true(link.isUp && linkB.isUp);
    t.like(a.session, { dial: true, group: "X25519MLKEM768" });
    t.like(b.session, { dial: false, group: "X25519MLKEM768" });
    t.like(a.session.hello, { from: "km-b", to: "km-a", policy: Buffer.alloc(32, 7) });
    t.deepEqual(a.session.hello.incarnation, b.session.incarnation);
    t.deepEqual(b.session.hello.nonce, a.session.nonce);
    t.is(a.session.tagKey.length, 16);
    t.true(a.session.tagKey.equals(b.session.tagKey));
    for (let n = 1; n <= 500; n++) {
      a.session.send(match(n));
      if (n % 2 === 0) b.session.send({ type: "ask", bytes: n });
    }
    await eventually("all messages", () => heard(b).length === 500 && heard(a).length === 250);
    t.deepEqual(
      heard(b).map((one) => one.type === "match" && one.number),
      [...Array(500).keys()].map((n) => n + 1),
    );
  });
});

test("each session has another key", async (t) => {
  await withKx(async ({ dialer, b }) => {
    const { end: a, link } = dialer();
    link.start();
    await paired(a, b, 1);
    a.session.close("a test");
    await paired(a, b, 2);
    t.false(a.sessions[0]?.tagKey.equals(a.session.tagKey));
    t.true(b.session.tagKey.equals(a.session.tagKey));
    t.like(a.ends, [{ code: "kx.closed", message: "a test" }]);
    await eventually("the end of the first, at the other KM", () => b.ends.length, { is: 1 });
    // Nothing is sent over a session that is over.
    t.notThrows(() => a.sessions[0]?.send(match(1)));
    t.deepEqual(heard(b), []);
  });
});

test("a KM of another CA, name or purpose gets no session, and the reason says why", async (t) => {
  await withKx(async (bench) => {
    const other = await bench.identity("km-c.example");
    const cases = [
      // Its certificate is not that of km-a.
      { options: { tls: () => other }, code: "kx.connect", door: "kx.peer" },
      // The certificate of km-b does not have this name.
      { options: { peerName: "km-z.example" }, code: "kx.connect", door: undefined },
      // HELLO names a KM that has no link.
      { options: { me: "km-x" }, code: "kx.connect", door: "kx.peer" },
      { options: { peer: "km-y" }, code: "kx.connect", door: "kx.peer" },
    ] as const;
    for (const { options, code, door } of cases) {
      const before = door === undefined ? 0 : (bench.door.faults.get(door) ?? 0);
      const { link, end } = bench.dialer(options);
      link.start();
      await eventually("faults told", () => link.faults.size, { atLeast: 1 });
      t.true(link.faults.has(code), [...link.faults.keys()].join());
      if (door !== undefined)
        await eventually("the door tells", () => bench.door.faults.get(door) ?? 0, {
          atLeast: before + 1,
        });
      await link.stop();
      t.deepEqual(end.sessions, []);
    }
    t.deepEqual(bench.b.sessions, []);
  });
});

test("an end that dials ends a connection to another KM than the one of the link", async (t) => {
  const ca = await createAuthority("KM CA");
  const tls = { ...(await ca.issue({ commonName: "b", dns: ["b"], usage: "both" })), ca: ca.cert };
  const server = createServer(
    { ...tls, requestCert: true, ALPNProtocols: [alpnOf(2)] },
    (socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.write(frames(helloOf({ from: "km-c", to: "km-a" }))));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await withKx(async ({ dialer }) => {
    const dial = { host: "127.0.0.1", port };
    const { end, link } = dialer({ dial, tls: () => tls, peerName: "b" });
    link.start();
    await eventually("faults told", () => link.faults.size, { atLeast: 1 });
    t.deepEqual([...link.faults.keys()], ["kx.peer"]);
    t.deepEqual(end.sessions, []);
  });
  server.close();
});

test("a certificate that was taken back gets no session, and ends the one that it has", async (t) => {
  await withKx(async (bench) => {
    const mine = await bench.identity("km-a.example");
    const { link, end } = bench.dialer({ tls: () => mine });
    link.start();
    await eventually(
      "a session at both ends",
      () => bench.b.sessions.length === 1 && end.sessions.length === 1,
    );
    const crl = await bench.ca.revoke([mine.cert]);
    const own = await bench.identity("km-b.example");
    bench.door.renew({ ...own, crl });
    await eventually("ends of sessions", () => bench.b.ends.length, { is: 1 });
    await eventually("the connection is refused", () => link.faults.has("kx.connect"));
    t.is(bench.b.sessions.length, 1);
  });
});

test("an end that dials ends its session too when the other's certificate is taken back", async (t) => {
  await withKx(async (bench) => {
    let crl: string | undefined;
    const mine = await bench.identity("km-a.example");
    const theirs = await bench.identity("km-b.example");
    bench.door.renew(theirs);
    const { link, end } = bench.dialer({
      tls: () => ({ ...mine, ...(crl !== undefined && { crl }) }),
    });
    link.start();
    await eventually("sessions", () => end.sessions.length, { is: 1 });
    link.recheck();
    t.true(link.isUp);
    crl = await bench.ca.revoke([theirs.cert]);
    link.recheck();
    t.like(end.ends, [{ code: "kx.connect" }]);
  });
});

test("another protocol or none in the handshake is refused", async (t) => {
  await withKx(async ({ open, identity, door, b }) => {
    const mine = await identity("km-a.example");
    await closed(await open(mine, { ALPNProtocols: ["qkd-kx/3"] }));
    await eventually("connections refused", () => door.faults.get("kx.connect"), { is: 1 });
    const without = await open(mine, { ALPNProtocols: [] });
    without.write(frames(helloOf()));
    await closed(without);
    await eventually("connections refused", () => door.faults.get("kx.connect"), { is: 2 });
    t.deepEqual(b.sessions, []);
  });
});

const notHello: Readonly<Record<string, { bytes: Buffer; code: string }>> = {
  "another version": { bytes: changed(frames(helloOf()), 11, 3), code: "kx.version" },
  "another version than the handshake's": {
    bytes: frames(helloOf({ version: 1 })),
    code: "kx.version",
  },
  "another version of the frame": { bytes: changed(frames(helloOf()), 1, 2), code: "kx.frame" },
  "a MessageID that is not 1": { bytes: changed(frames(helloOf()), 5, 2), code: "kx.frame" },
  "something else than HELLO": { bytes: frames({ type: "alive" }), code: "kx.message" },
  "HELLO that is cut short": { bytes: changed(frames(helloOf()), 9, 20), code: "kx.message" },
  "an unknown command": { bytes: changed(frames(helloOf()), 6, 9), code: "kx.message" },
  "HELLO to another KM": { bytes: frames(helloOf({ to: "km-c" })), code: "kx.peer" },
};

function changed(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value;
  return bytes;
}

for (const [name, { bytes, code }] of Object.entries(notHello)) {
  test(`a connection that begins with ${name} is closed, and told nothing`, async (t) => {
    await withKx(async ({ open, identity, door, b }) => {
      const socket = await open(await identity("km-a.example"));
      let heard = 0;
      socket.on("data", ({ length }) => {
        heard += length;
      });
      socket.write(bytes);
      await closed(socket);
      await eventually("faults told", () => door.faults.size, { atLeast: 1 });
      t.deepEqual([...door.faults], [[code, 1]]);
      t.is(heard, 0);
      t.deepEqual(b.sessions, []);
    });
  });
}

test("a bad message ends the session with its fault, which is counted", async (t) => {
  await withKx(async ({ open, identity, b, linkB }) => {
    const socket = await open(await identity("km-a.example"));
    socket.resume();
    socket.write(frames(helloOf(), match(1), helloOf()));
    await eventually("ends of sessions", () => b.ends.length, { is: 1 });
    t.is(b.messages.length, 1);
    t.like(b.ends, [{ code: "kx.message" }]);
    t.deepEqual([...linkB.faults], [["kx.message", 1]]);
    await closed(socket);
  });
});

test("silence is noticed: ALIVE keeps a session, ten seconds without anything end it", async (t) => {
  const clock = ManualClock.ofToday();
  await withKx(async ({ open, identity, b }) => {
    const socket = await open(await identity("km-a.example"));
    const heard: Buffer[] = [];
    socket.on("data", (chunk) => heard.push(chunk));
    socket.write(frames(helloOf()));
    await eventually("sessions", () => b.sessions.length, { is: 1 });
    await clock.advance(9_400);
    t.deepEqual(b.ends, []);
    const codes = () => {
      const all = Buffer.concat(heard);
      const found: number[] = [];
      for (let at = 0; at + 10 <= all.length; at += 10 + all.readUInt16BE(at + 8)) {
        found.push(all.readUInt16BE(at + 6));
      }
      return found;
    };
    await eventually("codes", () => codes().length, { is: 5 });
    t.deepEqual(codes(), [command.hello, ...Array(4).fill(command.alive)]);
    socket.write(frames(helloOf(), { type: "alive" }).subarray(frames(helloOf()).length));
    await eventually("messages", () => b.messages.length, { is: 1 });
    await clock.advance(9_500);
    t.deepEqual(b.ends, []);
    await clock.advance(1_000);
    t.like(b.ends, [{ code: "kx.silent", message: "the other KM says nothing" }]);
    await closed(socket);
  }, clock);
});

test("a stranger that never says HELLO is cut off after ten seconds", async (t) => {
  const clock = ManualClock.ofToday();
  await withKx(async ({ open, identity, door }) => {
    const socket = await open(await identity("km-a.example"));
    socket.resume();
    await eventually("strangers", () => door.strangers, { is: 1 });
    socket.write(frames(helloOf()).subarray(0, 50));
    await clock.advance(10_500);
    await closed(socket);
    t.is(door.strangers, 0);
    t.deepEqual([...door.faults], [["kx.silent", 1]]);
  }, clock);
});

test("a second good connection takes the place of the first, whose messages are not heard any more", async (t) => {
  await withKx(async ({ open, identity, b }) => {
    const mine = await identity("km-a.example");
    const first = await open(mine);
    first.write(frames(helloOf()));
    await eventually("sessions", () => b.sessions.length, { is: 1 });
    const second = await open(mine);
    second.resume().write(frames(helloOf({ nonce: Buffer.alloc(16, 9) })));
    await eventually("sessions", () => b.sessions.length, { is: 2 });
    t.like(b.ends, [{ code: "kx.closed", message: "another connection took its place" }]);
    t.deepEqual(b.session.hello.nonce, Buffer.alloc(16, 9));
    await closed(first.resume());
    t.false(second.destroyed);
  });
});

test("a KM that reads nothing is cut off when the queue is full, and the queue is bounded", async (t) => {
  await withKx(async ({ open, identity, b }) => {
    const socket = await open(await identity("km-a.example"));
    socket.pause();
    socket.write(frames(helloOf()));
    await eventually("sessions", () => b.sessions.length, { is: 1 });
    const lacking = Buffer.alloc(16 * 2_048);
    let sent = 0;
    while (b.ends.length === 0 && sent < 2 * maxWaiting) {
      b.session.send({ type: "noMatch", number: 1, reason: "lacking", lacking });
      sent += lacking.length;
      if (sent % (64 * lacking.length) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    t.like(b.ends, [{ code: "kx.silent", message: "too much waits for the other KM" }]);
    t.true((b.ends[0]?.facts.waiting as number) < maxWaiting + 65_546);
  });
});

test("a KM that speaks and reads nothing is given up after ten seconds", async (t) => {
  const clock = ManualClock.ofToday();
  await withKx(async ({ open, identity, b }) => {
    const socket = await open(await identity("km-a.example"));
    socket.pause();
    socket.write(frames(helloOf()));
    await eventually("sessions", () => b.sessions.length, { is: 1 });
    const lacking = Buffer.alloc(16 * 2_048);
    // Much more than a system keeps for a connection, in messages that are cut as the other reads.
    for (let n = 0; n < 250; n++) {
      b.session.send({ type: "noMatch", number: 1, reason: "lacking", lacking });
    }
    const alive = frames(...Array<KxMessage>(50).fill({ type: "alive" }));
    for (let second = 1; second < 40 && b.ends.length === 0; second++) {
      // MessageID 1 was HELLO.
      socket.write(alive.subarray(second * 10, second * 10 + 10));
      await eventually("messages", () => b.messages.length, { atLeast: second });
      await clock.advance(1_000);
    }
    t.like(b.ends, [{ code: "kx.silent", message: "the other KM reads nothing" }]);
  }, clock);
});

test("books that are much longer than the queue arrive whole, and what follows them follows them", async (t) => {
  await withKx(async ({ dialer, b }) => {
    const { end: a, link } = dialer();
    link.start();
    await paired(a, b, 1);
    const id = Buffer.alloc(16);
    const offer = Buffer.alloc(24);
    const ranges = Array.from({ length: 60 }, (_, n) => ({ extent: 1, start: n, end: n + 1 }));
    const uses: UseBook[] = Array.from({ length: 36_000 }, () => {
      return { id, offer, owner: true, state: "S", had: 0, ranges };
    });
    a.session.send({ type: "syncUses", uses });
    a.session.send({ type: "syncEnd" });
    await eventually("the last message", () => b.messages.at(-1)?.type, { is: "syncEnd" });
    const parts = b.messages
      .slice(0, -1)
      .map((one) => (one.type === "syncUses" ? one.uses.length : 0));
    t.is(
      parts.reduce((sum, length) => sum + length, 0),
      uses.length,
    );
    t.true(parts.length * 65_535 > maxWaiting);
    t.deepEqual(a.ends, []);
  });
});

test("a flood of connections without a certificate keeps no KM out, and costs bounded memory", async (t) => {
  await withKx(async ({ open, ca, dialer, door, b }) => {
    const stranger = { ca: ca.cert, cert: "", key: "" };
    let most = 0;
    for (let round = 0; round < 10; round++) {
      const from = (n: number) => ({ localAddress: `127.0.${round + 1}.${n + 1}` });
      const some = await Promise.all(
        Array.from({ length: 20 }, (_, n) => {
          return open(stranger, { cert: undefined, key: undefined, ...from(n) });
        }),
      );
      most = Math.max(most, door.strangers);
      await Promise.all(some.map((socket) => closed(socket.resume())));
    }
    t.true(most <= 32);
    const { link } = dialer();
    link.start();
    await eventually("sessions", () => b.sessions.length, { is: 1 });
    t.true(b.sessions.length === 1);
  });
});

test("an end that dials takes no connection", async (t) => {
  await withKx(async ({ dialer }) => {
    const { link } = dialer();
    const connection = {} as Parameters<typeof link.accept>[0];
    t.throws(() => link.accept(connection, helloOf()), { message: "this end dials" });
  });
});

test("a link that is stopped ends its session, and makes no other", async (t) => {
  await withKx(async ({ dialer, b, linkB }) => {
    const { end: a, link } = dialer();
    link.start();
    await paired(a, b, 1);
    await link.stop();
    await eventually("ends of sessions", () => b.ends.length, { is: 1 });
    t.like(a.ends, [{ code: "stopped" }]);
    t.false(link.isUp || linkB.isUp);
    t.deepEqual([...link.faults], []);
  });
});
