import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { createLog, silentLog } from "../../../../src/base/log.ts";
import { Effort } from "../../../../src/host/door/effort.ts";
import { ask } from "../../../../src/ops/cli/client.ts";
import { encodeRequest, type RequestName } from "../../../../src/ops/local/protocol.ts";
import { LocalServer, type LocalServerOptions } from "../../../../src/ops/local/server.ts";
import { ManualClock } from "../../../clock.ts";

interface Bench {
  readonly path: string;
  readonly clock: ManualClock;
  /** Asks, and reads the first line of the answer; the connection stays. */
  first(path: string, name: RequestName): Promise<{ line: string; socket: Socket }>;
}

/** Telemetry goes on for ever; all else is answered at once. */
async function withServer(
  options: Partial<LocalServerOptions>,
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-flood-"));
  const path = join(folder, "control");
  const clock = new ManualClock();
  const server = new LocalServer({
    path,
    act: "owner",
    read: "group",
    answer: async ({ do: name }) =>
      name === "telemetry" ? { everyMs: 1_000, next: () => ({ t: 1 }) } : { data: { name } },
    clock,
    log: silentLog,
    ...options,
  });
  await server.listen();
  const sockets: Socket[] = [];
  try {
    await body({
      path,
      clock,
      first: async (where, name) => {
        const socket = connect(where, () => socket.write(encodeRequest(name)));
        sockets.push(socket);
        socket.on("error", () => {}).setEncoding("utf8");
        let line = "";
        while (!line.includes("\n")) {
          line += await new Promise<string>((resolve) => {
            socket.once("data", resolve).once("close", () => resolve("closed\n"));
          });
        }
        return { line, socket };
      },
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

test("any number of followers, on either socket, keep nobody from acting, or from a look", async (t) => {
  await withServer({}, async ({ path, first }) => {
    for (const [where, most] of [
      [`${path}.read`, 24],
      [path, 16],
    ] as const) {
      const lines: string[] = [];
      for (let n = 0; n < 60; n++) lines.push((await first(where, "telemetry")).line);
      t.is(lines.filter((line) => line.includes('"more"')).length, most);
      t.is(lines.filter((line) => line.includes("too many clients")).length, 60 - most);
      t.like(await ask([path], "zeroize", { confirm: "n", module: "m" }), { name: "zeroize" });
      t.like(await ask([path], "status"), { name: "status" });
    }
  });
});

test("clients that wait for what they want to look at leave places to those that act", async (t) => {
  const wanted = Promise.withResolvers<void>();
  const answer: LocalServerOptions["answer"] = async ({ do: name }) => {
    if (name === "status") await wanted.promise;
    return { data: { name } };
  };
  await withServer({ answer }, async ({ path, first }) => {
    const waiting = Array.from({ length: 60 }, () => first(path, "status"));
    const busy = await Promise.any(waiting);
    t.regex(busy.line, /too many clients/);
    t.regex((await first(path, "stop")).line, /"stop"/);
    wanted.resolve();
    const lines = (await Promise.all(waiting)).map(({ line }) => line);
    t.is(lines.filter((line) => line.includes('"status"')).length, 24);
  });
});

test("answers that nobody reads are bounded in all, and their clients are sent away", async (t) => {
  const answer: LocalServerOptions["answer"] = async ({ do: name }) => {
    return { data: name === "history" ? "x".repeat(1_000_000) : name };
  };
  await withServer({ answer }, async ({ path, clock }) => {
    const lazy = Array.from({ length: 30 }, () => {
      const socket = connect(`${path}.read`, () => socket.write(encodeRequest("history")));
      return socket
        .on("error", () => {})
        .setEncoding("utf8")
        .pause();
    });
    await Promise.all(lazy.map((one) => new Promise((resolve) => one.once("readable", resolve))));
    await t.throwsAsync(ask([path], "history"), { message: /too many clients|do not read/ });
    t.is(await ask([path], "stop"), "stop");
    await clock.advance(10_000);
    const heard = await Promise.all(
      lazy.map(
        (one) =>
          new Promise<string>((resolve) => {
            let text = "";
            one.on("data", (chunk: string) => {
              text += chunk;
            });
            one.once("close", () => resolve(text));
          }),
      ),
    );
    const refused = heard.filter((text) => /too many clients|do not read/.test(text));
    t.true(refused.length >= 24, `${refused.length} of 30 were refused`);
    t.is(((await ask([path], "history")) as string).length, 1_000_000);
  });
});

test("a client that sends what nobody asked for is not read from, and hears its answer", async (t) => {
  await withServer({}, async ({ path, clock }) => {
    const socket = connect(`${path}.read`, () => socket.write(encodeRequest("status")));
    socket.on("error", () => {}).setEncoding("utf8");
    const junk = Buffer.alloc(1_000_000, "x");
    let sent = 0;
    const more = () => {
      while (!socket.destroyed && socket.write(junk)) sent++;
      sent++;
    };
    socket.on("connect", more).on("drain", more);
    let text = "";
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    while (!text.includes("\n")) await new Promise((resolve) => socket.once("data", resolve));
    t.regex(text, /"status"/);
    t.true(sent < 10, String(sent));
    await clock.advance(1_000);
    await new Promise((resolve) => socket.once("close", resolve));
  });
});

test("who looks at much waits, so that keys do not; who acts does not wait for them", async (t) => {
  // Each look takes 100 ms of the processor.
  let spent = 0;
  const answer: LocalServerOptions["answer"] = async ({ do: name }) => {
    if (name === "status") spent += 100;
    return { data: { name } };
  };
  await withServer({ answer, processor: () => spent }, async ({ path, clock }) => {
    for (let n = 0; n < 6; n++) await ask([path], "status");
    let over = false;
    const held = ask([path], "status").finally(() => {
      over = true;
    });
    t.like(await ask([path], "stop"), { name: "stop" });
    t.false(over);
    while (!over) await clock.advance(100);
    t.like(await held, { name: "status" });
  });
});

test("time that was spent is made up for, and forgotten then", (t) => {
  let now = 0;
  const effort = new Effort({ burstMs: 100, share: 0.5 }, { now: () => now }, () => now);
  const spend = (client: string, ms: number) =>
    effort.measure(client, () => {
      now += ms;
    });
  spend("a", 90);
  t.is(effort.wait("a"), 0);
  spend("a", 60);
  t.is(effort.wait("a"), 40);
  t.is(effort.wait("b"), 0);
  now += 40;
  t.is(effort.wait("a"), 0);
  for (let n = 0; n < 5_000; n++) spend(`c${n}`, 1);
  t.is(effort.wait("a"), 0);
});

test("time in which others had the processor is not a client's", (t) => {
  let [now, spent] = [0, 0];
  const limit = { burstMs: 100, share: 0.5 };
  const effort = new Effort(limit, { now: () => now }, () => spent);
  effort.measure("a", () => {
    now += 10_000;
    spent += 20;
  });
  t.is(effort.wait("a"), 0);
});

test("many that ask for a little each wait when it is too much together, and who asks for less does not", (t) => {
  let now = 0;
  const all = { burstMs: 200, share: 0.2 };
  const effort = new Effort({ burstMs: 100, share: 0.1, all }, { now: () => now }, () => now);
  const spend = (client: string, ms: number) =>
    effort.measure(client, () => {
      now += ms;
    });
  for (let n = 0; n < 10; n++) spend(`a${n}`, 40);
  t.true(effort.wait("a9") > 0);
  t.is(effort.wait("b"), 0);
  spend("b", 10);
  t.is(effort.wait("b"), 0);
  spend("b", 30);
  t.true(effort.wait("b") > 0);
  now += 10_000;
  t.is(effort.wait("a9"), 0);
});

test("an error in the node is one line in the log, however often it is caused", async (t) => {
  const lines: string[] = [];
  const answer: LocalServerOptions["answer"] = async () => {
    throw new Error("with a secret in it");
  };
  const log = createLog((line) => lines.push(line), "info");
  await withServer({ answer, log }, async ({ path, first }) => {
    for (let n = 0; n < 50; n++) await first(`${path}.read`, "status");
    t.is(lines.length, 5);
    t.false(lines.some((line) => line.includes("secret")));
  });
});
