/** The connection of two drivers: who gets in, by which key exchange, and who is the other end. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import anyTest, { type TestFn } from "ava";
import { encode, type Hello, type Message } from "../../../../drivers/etsi014/messages.ts";
import type { End } from "../../../../drivers/etsi014/parts.ts";
import { PeerDoor } from "../../../../drivers/etsi014/peer-door.ts";
import { dialPeer, type PeerOptions, talk } from "../../../../drivers/etsi014/peer-line.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { groupOf } from "../../../../src/host/tls/peer.ts";
import { writeIdentity } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";
import { freePort } from "../../../rig/free-port.ts";
import { kmeCertificates } from "../../../rig/kme-pair.ts";

const test = anyTest as TestFn;
const folder = mkdtempSync(join(tmpdir(), "qkd-peer-"));
const never = new AbortController().signal;
const file = (name: string) => join(folder, name);
const files = (name: string) => ({
  ca: file("ca.crt"),
  cert: file(`${name}.crt`),
  key: file(`${name}.key`),
});

let authority: Awaited<ReturnType<typeof kmeCertificates>>;

test.before(async () => {
  authority = await kmeCertificates(folder);
});
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const leads: Hello = { type: "hello", version: 1, role: "leader", module: "A", matching: "B" };
const follows: Hello = { type: "hello", version: 1, role: "follower", module: "B", matching: "A" };

/** An end that notes what it hears. */
class Notes implements End {
  readonly heard: Message[] = [];
  lines = 0;
  began(): void {}
  met(): void {
    this.lines++;
  }
  parted(): void {
    this.lines--;
  }
  hear(message: Message): void {
    this.heard.push(message);
  }
  tick(): void {}
  async close(): Promise<void> {}
  forget(): void {}
}

async function door(name = "link-a") {
  const port = await freePort();
  const options = { host: "127.0.0.1", port, clock: systemClock };
  const sockets: TLSSocket[] = [];
  const at: PeerOptions = { ...options, name, files: files("link-b") };
  const opened = new PeerDoor(at, silentLog, (socket) => sockets.push(socket));
  await opened.listen();
  const way: PeerOptions = { ...options, name: "link-b", files: files("link-a") };
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return opened.close();
  };
  return { close, sockets, way };
}

const greeting = (hello: Hello, end: End, why: string[]) => ({
  hello: () => hello,
  end,
  met: () => {},
  parted: (error: Error) => void why.push(error.message),
});

test.serial("both ends meet by a key exchange that resists quantum computers", async (t) => {
  const { close, sockets, way } = await door();
  t.teardown(close);
  const socket = await dialPeer(way, never);
  t.is(groupOf(socket), "X25519MLKEM768");
  await eventually("the follower has it", () => sockets.length, { is: 1 });
  const [a, b] = [new Notes(), new Notes()];
  const why: string[] = [];
  const talks = talk(socket, systemClock, greeting(leads, a, why));
  talk(sockets[0] as TLSSocket, systemClock, greeting(follows, b, why));
  await eventually("both have met", () => [a.lines, b.lines], {
    when: ([x, y]) => x === 1 && y === 1,
  });
  socket.write(encode({ type: "alive" }));
  await eventually("it is heard", () => b.heard.length, { is: 1 });
  socket.write(Buffer.alloc(8, 0xff));
  await talks.ended;
  await eventually("both have parted", () => a.lines + b.lines, { is: 0 });
  t.regex(why.join(), /message of the other end's driver/);
});

test.serial("a leader is found by its address, however that is written", async (t) => {
  const request = { commonName: "a", ip: ["2001:DB8:0:0::5"], usage: "both" } as const;
  await writeIdentity(folder, "by-address", await authority.issue(request));
  const { close, sockets, way } = await door("2001:db8::5");
  t.teardown(close);
  const socket = await dialPeer({ ...way, files: files("by-address") }, never);
  t.teardown(() => socket.destroy());
  t.is(await eventually("the follower has it", () => sockets.length, { is: 1 }), 1);
});

test.serial(
  "who is not the leader, or knows old key exchanges alone, gets no connection",
  async (t) => {
    const { close, sockets, way } = await door();
    t.teardown(close);
    const stranger = await dialPeer({ ...way, files: files("sae-a") }, never);
    await new Promise((resolve) => stranger.once("close", resolve).resume());
    const [ca, cert, key] = ["ca.crt", "link-a.crt", "link-a.key"].map((name) =>
      readFileSync(file(name)),
    );
    const old = connect({
      host: "127.0.0.1",
      port: way.port,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      servername: "link-b",
      ecdhCurve: "X25519",
    });
    const refused = await new Promise<Error>((resolve) => old.once("error", resolve));
    t.regex(String(refused), /handshake failure/i);
    await t.throwsAsync(dialPeer({ ...way, name: "link-c" }, never), { message: /names another/ });
    t.is(sockets.length, 0);
  },
);

for (const [what, hello, says] of [
  ["leads, too", { ...leads, module: "B", matching: "A" }, /leads, too/],
  ["is of another pair", { ...follows, module: "C" }, /another pair/],
  ["speaks another version", { ...follows, version: 2 }, /speaks version 2/],
] as const) {
  test.serial(`an end that ${what} is not the other end`, async (t) => {
    const { close, sockets, way } = await door();
    t.teardown(close);
    const socket = await dialPeer(way, never);
    await eventually("the follower has it", () => sockets.length, { is: 1 });
    const end = new Notes();
    const talks = talk(socket, systemClock, greeting(leads, end, []));
    sockets[0]?.on("error", () => {}).write(encode(hello));
    t.regex((await talks.ended).message, says);
    t.is(end.lines, 0);
  });
}
