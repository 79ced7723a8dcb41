import { linkSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { hidDevice } from "../../../../drivers/panel/hid-device.ts";
import { socketDevice } from "../../../../drivers/panel/socket-device.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { connectNode } from "../../../../src/node/panel/client.ts";
import { PanelServer } from "../../../../src/node/panel/server.ts";
import { encodeLine, type NodeMessage, type PanelMessage } from "../../../../src/port/panel.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { quietNode as told } from "../../../rig/panel-messages.ts";

const message: PanelMessage = {
  v: 1,
  from: "panel",
  open: [],
  latched: [],
  blind: false,
  maintenance: false,
  malformed: 0,
};

interface Bench {
  readonly path: string;
  readonly clock: ManualClock;
  readonly heard: PanelMessage[];
  readonly gone: string[];
  readonly server: PanelServer;
}

const there = (path: string) => {
  try {
    return (statSync(path).mode & 0o777) === 0o660;
  } catch {
    return false;
  }
};

async function withServer(body: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-panel-"));
  const path = join(folder, "panel.sock");
  const clock = new ManualClock();
  const heard: PanelMessage[] = [];
  const gone: string[] = [];
  const server = new PanelServer({
    path,
    clock,
    random: () => 0,
    log: silentLog,
    onMessage: (one) => heard.push(one),
    onGone: (reason) => gone.push(reason),
    message: () => told,
  });
  try {
    await body({ path, clock, heard, gone, server });
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

async function dial(path: string): Promise<Socket & { closed_: () => boolean }> {
  const socket = connect(path);
  let closed = false;
  socket.on("close", () => {
    closed = true;
  });
  socket.on("error", () => {});
  socket.resume();
  await new Promise((resolve) => socket.once("connect", resolve));
  return Object.assign(socket, { closed_: () => closed });
}

test("panel and node hear each other over a socket that the group may use", async (t) => {
  await withServer(async ({ path, heard, gone, server }) => {
    server.start();
    await eventually("the socket is there", () => there(path));
    const nodes: NodeMessage[] = [];
    const link = await connectNode(path, new ManualClock(), (one) => nodes.push(one));
    link.send(message);
    await eventually("both heard each other", () => heard.length === 1 && nodes.length > 0);
    t.deepEqual(heard[0], message);
    t.deepEqual(nodes[0], told);
    server.notify();
    await eventually("messages of the node", () => nodes.length, { atLeast: 2 });
    await link.close();
    t.is(await link.ended, undefined);
    await eventually("connections that ended", () => gone.length, { is: 1 });
    t.is(gone[0], "panel disconnected");
    const again = await connectNode(path, new ManualClock(), () => {});
    await server.stop();
    t.is((await again.ended)?.message, "node closed the connection");
  });
});

test("a second panel is refused, and the first goes on", async (t) => {
  await withServer(async ({ path, heard, server }) => {
    server.start();
    await eventually("the socket is there", () => there(path));
    const first = await dial(path);
    first.write(encodeLine(message));
    await eventually("messages heard", () => heard.length, { is: 1 });
    const second = await dial(path);
    await eventually("the socket is closed", () => second.closed_());
    first.write(encodeLine(message));
    await eventually("messages heard", () => heard.length, { is: 2 });
    t.false(first.closed_());
    first.destroy();
  });
});

const bad: Readonly<Record<string, [Buffer, RegExp]>> = {
  "is not JSON": [Buffer.from("hello\n"), /not JSON/],
  "does not end": [Buffer.alloc(5_000, 97), /line too long/],
  "speaks another version": [Buffer.from('{"v":9}\n'), /different versions/],
  floods: [Buffer.concat(Array(2_000).fill(encodeLine(message))), /talks too much/],
};
for (const [what, [bytes, why]] of Object.entries(bad)) {
  test(`a panel that ${what} is cut off, and may come again`, async (t) => {
    await withServer(async ({ path, gone, heard, server, clock }) => {
      server.start();
      await eventually("the socket is there", () => there(path));
      const socket = await dial(path);
      socket.write(bytes);
      await eventually("connections that ended", () => gone.length, { is: 1 });
      t.regex(gone[0] ?? "", why);
      t.true(heard.length <= 500);
      await clock.advance(1_000);
      const before = heard.length;
      const again = await dial(path);
      again.write(encodeLine(message));
      await eventually("messages heard", () => heard.length, { atLeast: before + 1 });
      again.destroy();
    });
  });
}

test("silence is noticed on both sides within 2.5 s", async (t) => {
  await withServer(async ({ path, gone, server, clock }) => {
    server.start();
    await eventually("the socket is there", () => there(path));
    const socket = await dial(path);
    await clock.advance(1_900);
    t.deepEqual(gone, []);
    await clock.advance(600);
    await eventually("connections that ended", () => gone.length, { is: 1 });
    t.regex(gone[0] ?? "", /panel says nothing/);
    await eventually("the socket is closed", () => socket.closed_());
  });
  const folder = mkdtempSync(join(tmpdir(), "qkd-panel-"));
  const mute = createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => mute.listen(join(folder, "s"), resolve));
  const clock = new ManualClock();
  const link = await connectNode(join(folder, "s"), clock, () => {});
  await clock.advance(2_500);
  t.is((await link.ended)?.message, "node says nothing");
  await new Promise((resolve) => mute.close(resolve));
  rmSync(folder, { recursive: true });
});

test("a socket that a killed node left is taken over; one that is used, or a file, is not", async (t) => {
  await withServer(async ({ path, gone, server, clock }) => {
    writeFileSync(path, "something else");
    server.start();
    await eventually("connections that ended", () => gone.length, { is: 1 });
    t.regex(gone[0] ?? "", /something else is where the socket should be/);
    rmSync(path);
    const other = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await clock.advance(2_000);
    await eventually("connections that ended", () => gone.length, { atLeast: 2 });
    t.regex(gone[1] ?? "", /another process has the panel socket/);
    // A second name for the socket outlives its listener, as the only one does that of a killed node.
    linkSync(path, `${path}.left`);
    await new Promise((resolve) => other.close(resolve));
    renameSync(`${path}.left`, path);
    t.true(statSync(path).isSocket());
    await clock.advance(5_000);
    await eventually("the socket is there", () => there(path));
    const { length } = gone;
    (await dial(path)).destroy();
    await eventually("connections that ended", () => gone.length, { atLeast: length + 1 });
  });
});

test("without a node, or without its folder, there is a fault that says so", async (t) => {
  const error = await t.throwsAsync(
    connectNode("/nonexistent/s", systemClock, () => {}),
    {
      instanceOf: Fault,
    },
  );
  t.like(error, { code: "link.open", facts: { path: "/nonexistent/s", why: "ENOENT" } });
  await t.throwsAsync(
    socketDevice("/nonexistent/s", systemClock).open(() => {}),
    {
      instanceOf: Fault,
      message: "cannot connect to the panel",
    },
  );
});

test("a HID device that is not there, or is none, is told in one line", async (t) => {
  for (const [path, why] of [
    ["/dev/nonexistent", /No such file|libusb/],
    ["/dev/null", /not a HIDRAW device|libusb/],
  ] as const) {
    const error = await t.throwsAsync(
      hidDevice(path, systemClock).open(() => {}),
      {
        instanceOf: Fault,
      },
    );
    const fault = error as Fault;
    t.is(fault.code, "link.open");
    t.is(fault.facts.source, path);
    t.regex(String(fault.facts.why), why);
    // In CI the library is installed: there it must be the device that is at fault.
    if (process.env.CI === "true") t.is(fault.message, "cannot open the panel's device");
  }
});
