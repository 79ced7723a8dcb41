import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { answers, ask, CliError, NotRunning } from "../../../../src/ops/cli/client.ts";
import { LocalError, longestRequest } from "../../../../src/ops/local/protocol.ts";
import { LocalServer, type LocalServerOptions } from "../../../../src/ops/local/server.ts";
import { ManualClock, stepUntil } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";

interface Bench {
  readonly path: string;
  readonly server: LocalServer;
  readonly clock: ManualClock;
}

async function withServer(
  options: Partial<LocalServerOptions>,
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-local-"));
  const path = join(folder, "control");
  const clock = new ManualClock();
  const server = new LocalServer({
    path,
    act: "owner",
    read: "group",
    answer: async ({ do: name }, { role }) => ({ data: { name, role } }),
    clock,
    log: silentLog,
    ...options,
  });
  await server.listen();
  try {
    await body({ path, server, clock });
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

/** Sends bytes, and takes all that comes back until the node closes. */
function raw(path: string, bytes: string | Buffer, end = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => (end ? socket.end(bytes) : socket.write(bytes)));
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", reject).on("close", () => resolve(text));
  });
}

test("both sockets answer, and only one acts; their modes are as configured", async (t) => {
  await withServer({ act: "group", read: "all" }, async ({ path, server }) => {
    t.is(statSync(path).mode & 0o777, 0o660);
    t.is(statSync(`${path}.read`).mode & 0o777, 0o666);
    t.deepEqual(await ask([path], "status"), { name: "status", role: "look" });
    t.deepEqual(await ask([path], "stop"), { name: "stop", role: "act" });
    await server.close();
    await server.close();
    t.false(existsSync(path) || existsSync(`${path}.read`));
    await t.throwsAsync(ask([path], "status"), { instanceOf: NotRunning });
  });
});

test("a request that is none is told so, and quoted nowhere", async (t) => {
  await withServer({}, async ({ path }) => {
    for (const bytes of [
      "secret\n",
      "[1]\n",
      "null\n",
      '{"v":2,"do":"status"}\n',
      '{"v":1,"do":"status","secret":1}\n',
      '{"v":1,"do":"status","args":{"secret":{}}}\n',
      '{"v":1,"do":"status","args":["secret"]}\n',
      Buffer.from([0xff, 0xfe, 0, 10]),
      `{"v":1,"do":"${"secret".repeat(Math.ceil(longestRequest / 6))}"}\n`,
      "secret".repeat(Math.ceil(longestRequest / 6) + 1),
    ]) {
      const answer = await raw(path, bytes);
      t.regex(answer, /^\{"v":1,"error":\{"code":"bad_request"/);
      t.false(answer.includes("secret"));
    }
    // Whichever daemon it is: it does not say that it is a node.
    const later = await raw(path, '{"v":2,"do":"status"}\n');
    t.is(JSON.parse(later).error.message, "only version 1 of this is spoken here");
    const long = ask([path], "status", { n: "x".repeat(longestRequest) });
    await t.throwsAsync(long, { message: `the request is longer than ${longestRequest} bytes` });
    t.regex(await raw(path, '{"v":1,"do":"explode"}\n'), /"code":"unknown_request"/);
    // `echo … | nc -U`: the client's side is closed before the answer.
    t.regex(await raw(path, '{"v":1,"do":"status"}\n', true), /"data"/);
    t.is(await raw(path, "", true), "");
  });
});

test("errors reach the client with their exit code, others as internal", async (t) => {
  const answer: LocalServerOptions["answer"] = async ({ do: name }) => {
    if (name === "keys") throw new Error("with a secret in it");
    throw new LocalError(name === "stop" ? "busy" : "no_such_module", "what is wrong");
  };
  await withServer({ answer }, async ({ path }) => {
    const codeOf = async (name: "keys" | "stop" | "status") => {
      const error = await t.throwsAsync<CliError>(ask([path], name), { instanceOf: CliError });
      t.false(error?.message.includes("secret"));
      return error?.exitCode;
    };
    t.deepEqual([await codeOf("keys"), await codeOf("stop"), await codeOf("status")], [70, 75, 64]);
  });
});

async function opened(t: ExecutionContext, path: string, n: number): Promise<Socket[]> {
  const sockets = Array.from({ length: n }, () => connect(path));
  await Promise.all(
    sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))),
  );
  // A socket that nobody reads does not notice its end.
  for (const socket of sockets) socket.resume();
  t.is(sockets.length, n);
  return sockets;
}

test("a client that says nothing makes way for others, and is sent away in the end", async (t) => {
  await withServer({}, async ({ path, clock }) => {
    const silent = await opened(t, path, 100);
    const closed = Promise.all(
      silent.map((socket) => new Promise((resolve) => socket.once("close", resolve))),
    );
    // Over the same socket: they are accepted in their order.
    t.like(await ask([path], "stop"), { name: "stop" });
    await clock.advance(10_000);
    await closed;
    t.like(await ask([path], "status"), { name: "status" });
    await eventually("timers", () => clock.timers, { is: 0 });
  });
});

test("a client that does not read costs one answer's memory, and not for long", async (t) => {
  let made = 0;
  const next = () => {
    made++;
    return "x".repeat(100_000);
  };
  const answer: LocalServerOptions["answer"] = async () => ({ everyMs: 10, next });
  await withServer({ answer }, async ({ path, clock }) => {
    const [socket] = await opened(t, path, 1);
    socket?.pause();
    socket?.write('{"v":1,"do":"telemetry"}\n');
    await eventually("answers made", () => made, { atLeast: 1 });
    await clock.advance(9_000);
    // What the kernel's buffers take, and one more.
    t.true(made < 10, String(made));
    const closed = new Promise((resolve) => socket?.once("close", resolve));
    await clock.advance(1_100);
    socket?.resume();
    await closed;
    const after = made;
    await clock.advance(1_000);
    t.is(made, after);
    await eventually("timers", () => clock.timers, { is: 0 });
  });
});

test("what goes on goes on until the client has enough", async (t) => {
  let n = 0;
  const answer: LocalServerOptions["answer"] = async () => ({
    everyMs: 1,
    next: () => (++n % 2 === 0 ? undefined : { n }),
  });
  await withServer({ answer, clock: systemClock }, async ({ path }) => {
    const seen: unknown[] = [];
    for await (const data of answers([path], "events", { follow: true })) {
      seen.push(data);
      if (seen.length === 3) break;
    }
    t.deepEqual(seen, [{ n: 1 }, { n: 3 }, { n: 5 }]);
  });
});

test("a socket that was left behind is replaced; one in use, or another file, is not", async (t) => {
  await withServer({}, async ({ path }) => {
    const options = {
      act: "owner",
      read: "owner",
      answer: async () => ({ data: 0 }),
      clock: systemClock,
      log: silentLog,
    } as const;
    const second = new LocalServer({ ...options, path });
    await t.throwsAsync(second.listen(), { instanceOf: Fault, message: /another process has it/ });
    t.like(await ask([path], "status"), { name: "status" });
    const file = `${path}.file`;
    writeFileSync(file, "precious");
    const third = new LocalServer({ ...options, path: file });
    await t.throwsAsync(third.listen(), { instanceOf: Fault, message: /another file is there/ });
    t.is(statSync(file).size, 8);
    const long = new LocalServer({ ...options, path: `/tmp/${"x".repeat(100)}` });
    await t.throwsAsync(long.listen(), { instanceOf: Fault, message: /too long/ });
    const nowhere = new LocalServer({ ...options, path: "/nonexistent/control" });
    await t.throwsAsync(nowhere.listen(), {
      instanceOf: Fault,
      message: /cannot make the local socket/,
    });
  });
});

test("who acts proves who it is; who does not is refused", async (t) => {
  const answer: LocalServerOptions["answer"] = async (_, { peer }) => ({ data: await peer() });
  await withServer({ answer }, async ({ path, clock }) => {
    t.is(await ask([path], "stop"), process.getuid?.());
    t.deepEqual(readdirSync(`${path}.who`), []);
    t.is(statSync(`${path}.who`).mode & 0o7777, 0o1733);
    t.regex(await raw(path, '{"v":1,"do":"stop"}\n\n'), /"prove"[\s\S]*did not prove who you are/);
    // A file, or a link to a folder of somebody else, is no proof.
    for (const make of [
      (name: string) => writeFileSync(name, ""),
      (name: string) => symlinkSync("/root", name),
    ]) {
      const socket = connect(path, () => socket.write('{"v":1,"do":"stop"}\n'));
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        if (text === "") {
          make(JSON.parse(chunk).prove);
          socket.write("\n");
        }
        text += chunk;
      });
      await new Promise((resolve) => socket.once("close", resolve));
      t.regex(text, /did not prove/);
    }
    // Nor does silence last for ever.
    const silent = raw(path, '{"v":1,"do":"stop"}\n');
    t.regex(await stepUntil(silent, () => clock.advance(1_000)), /"prove"/);
  });
});

test("a proof is made nowhere but beside the socket", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-rogue-"));
  const path = join(folder, "control");
  const wanted = join(folder, "0".repeat(32));
  const rogue = createServer((socket) => {
    socket.on("error", () => {}).resume();
    socket.write(`${JSON.stringify({ v: 1, prove: wanted })}\n`);
  });
  await new Promise<void>((resolve) => rogue.listen(path, resolve));
  await t.throwsAsync(ask([path], "stop"), { message: /in a wrong place/ });
  t.false(existsSync(wanted));
  await new Promise((resolve) => rogue.close(resolve));
  rmSync(folder, { recursive: true });
});

test("what is sent along comes whole or not at all, and no faster than it is written", async (t) => {
  const got: string[] = [];
  const answer: LocalServerOptions["answer"] = async ({ args }, { receive }) => {
    const file = join(folder, "sent");
    await receive(Number(args.bytes), file, () => {});
    got.push(readFileSync(file, "latin1"));
    return { data: { bytes: got.at(-1)?.length } };
  };
  const folder = mkdtempSync(join(tmpdir(), "qkd-sent-"));
  // The server may still be writing when its client is gone.
  t.teardown(() => rmSync(folder, { recursive: true, maxRetries: 20 }));
  await withServer({ answer }, async ({ path, clock }) => {
    const body = Buffer.alloc(3_000_000, "0123456789");
    const chunks = async function* () {
      for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
    };
    const args = { bytes: body.length };
    const upload = { bytes: body.length, chunks };
    t.deepEqual(await ask([path], "stop", args, upload), { bytes: body.length });
    t.is(got[0], body.toString("latin1"));
    // A client sends nothing that it did not announce.
    const other = { bytes: 1, chunks };
    await t.throwsAsync(ask([path], "stop", args, other), { message: /was not announced/ });
    const request = `{"v":1,"do":"stop","args":{"bytes":10}}\n`;
    t.regex(await raw(path, `${request}123`, true), /"take":10[\s\S]*less came/);
    const silent = connect(path, () => silent.write(`${request}123`));
    const closed = new Promise((resolve) => silent.once("close", resolve));
    await new Promise((resolve) => silent.once("data", resolve));
    await clock.advance(10_000);
    await closed;
    t.is(got.length, 1);
  });
});
