/** The suites for a module on a port: against one that is right, some that are not, and one that is controlled. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { driverKinds } from "../../drivers/index.ts";
import { systemClock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import { readers } from "../../src/bin/drivers.ts";
import { KeyBlock } from "../../src/port/key.ts";
import type { ModuleDriver, ModuleSession, ModuleSink } from "../../src/port/module.ts";
import { EmulatedModule } from "../emulator/module.ts";
import { EmulatedSocket } from "../emulator/socket.ts";
import { find, testWith } from "../needs.ts";
import { buildPeer } from "./build-peer.ts";
import { deviceRunnables } from "./device/cases.ts";
import { openBench } from "./device/control.ts";
import type { DeviceOptions } from "./device/kit.ts";
import { benchRunnables } from "./device/suite.ts";
import { keyBytes } from "./qmlp.ts";
import { runAll } from "./run.ts";

const { driverFor } = readers;

/** A module that distils by itself. */
async function device(t: ExecutionContext): Promise<{ readonly where: string }> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-device-"));
  const transport: EmulatedSocket = new EmulatedSocket(join(folder, "module"), {
    bytes: (chunk) => module.push(chunk),
    drained: () => module.pump(),
  });
  const module: EmulatedModule = new EmulatedModule({
    identity: {
      moduleId: "QKD-A-0001",
      matchingModuleId: "QKD-B-0001",
      role: "alice",
      vendor: "emulated",
      model: "device",
      serial: "1",
      firmware: "1",
    },
    line: {
      transmit: (bytes) => transport.send(bytes),
      backlog: () => transport.backlog,
      lowWater: transport.lowWater,
    },
    clock: systemClock,
    telemetry: () => ({ values: { qber: 0.03 } }),
  });
  transport.plug();
  await transport.ready();
  let number = 0;
  const make = () => {
    if (!module.running) return;
    const bits = 1_024 + number * 8;
    const facts = { ref: { epoch: "00112233aabbccdd", number: number++ }, bits };
    module.distill(facts, Buffer.from(keyBytes(facts.ref.number, bits)));
  };
  for (let i = 0; i < 6; i++) make();
  const timer = setInterval(make, 40);
  t.teardown(() => {
    clearInterval(timer);
    transport.unplug();
    module.close();
    rmSync(folder, { recursive: true });
  });
  return { where: transport.path };
}

type Session = ModuleSession;

/** What a module looks like through the port if it makes a mistake. */
interface Mistake {
  sink?(sink: ModuleSink, sessions: number): ModuleSink;
  session?(session: Session): Partial<Session>;
}

function crooked(driver: ModuleDriver, mistake: Mistake, sessions: { n: number }): ModuleDriver {
  return {
    kind: driver.kind,
    where: driver.where,
    async connect(sink, signal) {
      sessions.n++;
      const session = await driver.connect(mistake.sink?.(sink, sessions.n) ?? sink, signal);
      const own: Session = {
        identity: session.identity,
        ended: session.ended,
        grant: (blocks, bytes) => session.grant(blocks, bytes),
        release: (refs) => session.release(refs),
        read: (refs) => session.read(refs),
        discard: (refs) => session.discard(refs),
        command: (command) => session.command(command),
        quality: () => session.quality(),
        close: () => session.close(),
      };
      return { ...own, ...mistake.session?.(session) };
    },
  };
}

async function tried(
  where: string,
  more: Partial<DeviceOptions> = {},
  ids?: readonly string[],
  mistake: Mistake = {},
) {
  const sessions = { n: 0 };
  const driver = () => {
    const made = driverFor(where, 921_600);
    if (made === undefined) throw new Error("no driver");
    return crooked(made, mistake, sessions);
  };
  const options = { driver, waitMs: 20_000, silenceMs: 300, discard: true, zeroize: true, ...more };
  const cases = deviceRunnables(options).filter(({ id }) => ids === undefined || ids.includes(id));
  return runAll("a module", cases);
}

test("a module that is right passes, though nobody tells it what to do", async (t) => {
  const { where } = await device(t);
  const { results } = await tried(where);
  // How many samples come in five seconds is the machine's business as well.
  for (const { id, outcome, reason } of results) {
    if (id !== "interval") t.is(outcome, "passed", `${id}: ${reason}`);
  }
  t.true(results.length >= 18);
});

test("what destroys key is left out unless it is asked for", async (t) => {
  const { where } = await device(t);
  const report = await tried(where, { discard: false, zeroize: false }, ["discard", "zeroize"]);
  t.is(report.skipped, 2);
});

const refused = () => Promise.reject(new Fault("module.command", "not known"));

/** What it does wrong, the case that must find it, and how it looks through the port. */
const planted: readonly (readonly [string, string, Mistake])[] = [
  [
    "has another ID each time",
    "sessions",
    {
      session: ({ identity }) => ({
        identity: { ...identity, moduleId: `QKD-${Math.random()}` },
      }),
    },
  ],
  [
    "offers without credit",
    "no-credit",
    {
      session: (session) => {
        session.grant(1, 1_000_000);
        return {};
      },
    },
  ],
  [
    "offers one more than it may",
    "credit-blocks",
    { session: (session) => ({ grant: (blocks, bytes) => session.grant(blocks + 1, bytes) }) },
  ],
  [
    "does not count bytes",
    "credit-bytes",
    { session: (session) => ({ grant: (blocks) => session.grant(blocks, 1_000_000) }) },
  ],
  [
    "forgets in the next session what it has sent",
    "again",
    {
      sink(sink, sessions) {
        let first = sessions > 1;
        return {
          ...sink,
          block(block) {
            if (first) block.wipe();
            else sink.block(block);
            first = false;
          },
        };
      },
    },
  ],
  [
    "sends a block twice",
    "order",
    {
      sink: (sink) => ({
        ...sink,
        block(block) {
          const copy = new KeyBlock(block.facts, Uint8Array.from(block.expose()));
          sink.block(block);
          sink.block(copy);
        },
      }),
    },
  ],
  ["does not answer to releases", "release", { sink: (sink) => ({ ...sink, released: () => {} }) }],
  ["does not hear when a block is asked for", "read", { session: () => ({ read: () => {} }) }],
  ["does not hear releases", "release-twice", { session: () => ({ release: () => {} }) }],
  [
    "measures what cannot be",
    "telemetry",
    {
      sink: (sink) => ({ ...sink, telemetry: () => sink.telemetry({ values: { qber: 7 } }) }),
    },
  ],
  [
    "does not stop",
    "stop",
    {
      session: (session) => ({
        command: (command) =>
          command.name === "stop" ? Promise.resolve() : session.command(command),
      }),
    },
  ],
  ["refuses a discard by silence", "discard", { session: () => ({ discard: () => {} }) }],
  [
    "keeps its key when it is told to destroy it",
    "zeroize",
    {
      session: (session) => ({
        command: (command) =>
          command.name === "zeroize" ? Promise.resolve() : session.command(command),
      }),
    },
  ],
];

for (const [what, id, mistake] of planted) {
  test(`a module that ${what} is found by ${id}`, async (t) => {
    const { where } = await device(t);
    // What may not come is waited for until it does.
    const times = { waitMs: 3_000, silenceMs: id === "stop" ? 1_500 : 15_000 };
    const report = await tried(where, times, [id], mistake);
    t.is(report.failed, 1, JSON.stringify(report.results));
    t.regex(report.results[0]?.reason ?? "", /\w{3}/);
  });
}

test("a module that refuses commands in words is right", async (t) => {
  const { where } = await device(t);
  const report = await tried(where, {}, ["commands", "stop", "zeroize"], {
    session: () => ({ command: refused }),
  });
  t.is(report.passed, 3, JSON.stringify(report.results));
});

if (find("cc") === undefined) testWith("cc", "a control program drives the suite", () => {});
else {
  test("a control program drives the whole suite, and what it cannot do is left out", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-control-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "module.tty");
    const kind = driverKinds.find((one) => one.kind === "qmlp");
    const bench = await openBench(`${buildPeer()} ${path}`, (context) => {
      if (kind === undefined) throw new Error("no driver qmlp");
      return kind.create({ path, baud: 921_600, rtscts: false }, context);
    });
    t.teardown(() => bench.close());
    t.deepEqual(bench.lacks, []);
    const cases = benchRunnables({ ...bench, lacks: ["unplug"] }, false);
    t.is(new Set(cases.map(({ id }) => id)).size, cases.length, "names of their own");
    const some = [
      "blocks-come-whole",
      "release-takes-what",
      "module-tells-who",
      "module-that-reset",
    ];
    const wanted = [...some, "pulled-cable-ends", "zeroize-destroys-every"];
    const report = await runAll(
      "a module in C",
      cases.filter(({ id }) => wanted.includes(id)),
    );
    t.is(report.passed, some.length, JSON.stringify(report.results));
    t.is(report.skipped, 2);
  });
}

test("as somebody types it: one object, and lines for what cannot be", async (t) => {
  const { where } = await device(t);
  const program = fileURLToPath(new URL("../../scripts/conform/module.ts", import.meta.url));
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      execFile(process.execPath, [program, ...args], (error, out, err) => {
        resolve({ code: Number(error?.code ?? 0), out, err });
      });
    });
  const good = await run("--device", where, "--only", "identity", "--only", "blocks", "--json");
  t.is(good.code, 0, good.err);
  t.like(JSON.parse(good.out), { passed: 2, failed: 0 });
  for (const args of [[], ["--device", where, "--wait", "0"], ["--device", where, "--only", "x"]]) {
    const { code, err } = await run(...args);
    t.is(code, 64, args.join(" "));
    t.regex(err, /^conform:module: .+\n$/);
  }
  t.is((await run("--device", `${where}-not`)).code, 69);
  t.regex((await run("--list")).out, /^credit-bytes +must/m);
});
