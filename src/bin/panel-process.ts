/** The process between the chassis controller and the node, wired together. */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { type Controller, openController } from "../../drivers/panel/controller.ts";
import type { PanelDeviceFactory } from "../../drivers/panel/device.ts";
import { hidDevice } from "../../drivers/panel/hid-device.ts";
import { Relay } from "../../drivers/panel/relay.ts";
import { socketDevice } from "../../drivers/panel/socket-device.ts";
import { every, systemClock } from "../base/clock.ts";
import { describe } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import { createLog, type Log } from "../base/log.ts";
import { backoff } from "../base/retry.ts";
import { softwareVersion } from "../base/version.ts";
import { type Reconnecting, reconnecting } from "../host/life/reconnecting.ts";
import { stopRequested } from "../host/life/signals.ts";
import { openTerminal } from "../host/terminal/terminal.ts";
import { connectNode, type NodeLink } from "../node/panel/client.ts";
import { KeyFile } from "../node/panel/key-file.ts";
import { beatMs } from "../port/panel.ts";

const usage = `qkd-panel ${softwareVersion}: the chassis panel of a QKD node

  qkd-panel [--device PATH] [--socket PATH] [--runtime FOLDER] [--log LEVEL]
            [--no-timestamps]

Connects the chassis controller with the node: tamper contacts, zeroize button,
key switch, lamps. Runs until SIGTERM or SIGINT; whichever side is away, it
waits for it.

  --device PATH    the controller's HID device (default /dev/qkd-panel), or
                   unix:/PATH for one on a socket, for a bench
  --socket PATH    where the node waits (default /run/qkd-node/panel.sock)
  --runtime FOLDER of its own (default $RUNTIME_DIRECTORY): the file
                   "maintenance" is in it while the key switch says so and the
                   chassis is closed
  --log LEVEL      debug, info, warn or error (default info)
  --no-timestamps  where journald stamps lines itself
  --version        print the version

Exit codes: 0 ok, 64 wrong command line, 70 internal error, 74 the output cannot
be written.

Example:
  qkd-panel --device /dev/hidraw0 --socket /run/qkd-node/panel.sock
`;

const waits = { firstMs: 250, maxMs: 1_500 } as const;
const settledAfterMs = 5_000;
const levels = ["debug", "info", "warn", "error"] as const;

interface Options {
  readonly device: PanelDeviceFactory;
  readonly socket: string;
  readonly runtime: string | undefined;
  readonly log: Log;
}

async function run({ device, socket, runtime, log }: Options): Promise<void> {
  const clock = systemClock;
  const schedule = () => backoff({ ...waits, random: Math.random });
  let controller: Controller | undefined;
  let node: NodeLink | undefined;
  const relay = new Relay({
    clock,
    log,
    newId: randomUUID,
    tell: (message) => node?.send(message),
    show: () => controller?.show(),
  });
  const keyFile = runtime === undefined ? undefined : new KeyFile(runtime, log);
  const tellKey = () => keyFile?.tell(relay.keyTurned, clock.wall());
  tellKey();
  const beat = every(clock, beatMs, () => {
    relay.beat();
    tellKey();
  });
  const common = { schedule, settledAfterMs, clock, log };
  const kept: Reconnecting[] = [
    reconnecting({
      ...common,
      name: `controller ${device.where}`,
      connect: async () => {
        controller = await openController(device, {
          clock,
          log,
          sink: relay,
          wish: () => relay.wish(),
        });
        return controller;
      },
      onDown: (error) => {
        controller = undefined;
        relay.controllerLost(describe(error));
        tellKey();
      },
    }),
    reconnecting({
      ...common,
      name: "node",
      connect: async () => {
        node = await connectNode(socket, clock, (message) => relay.node(message));
        log.info("node connected", { socket });
        node.send(relay.message());
        return node;
      },
      onDown: () => {
        node = undefined;
        relay.node(undefined);
      },
    }),
  ];
  await stopRequested();
  beat.cancel();
  relay.stop();
  keyFile?.tell(false, clock.wall());
  await Promise.all(kept.map((one) => one.stop()));
}

function options(args: readonly string[]): Options | string {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  let values: Readonly<Record<string, string | boolean | undefined>>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        device: text,
        socket: text,
        runtime: text,
        log: text,
        "no-timestamps": flag,
        help: { ...flag, short: "h" },
        version: flag,
      },
    }));
  } catch (error) {
    return (error as Error).message.split(". ")[0] ?? "";
  }
  if (values.help) return "help";
  if (values.version) return "version";
  const device = String(values.device ?? "/dev/qkd-panel");
  const socket = String(values.socket ?? "/run/qkd-node/panel.sock");
  const level = levels.find((one) => one === (values.log ?? "info"));
  if (level === undefined) return `--log: expected one of ${levels.join(", ")}`;
  const unix = device.startsWith("unix:") ? device.slice(5) : undefined;
  if (!(unix ?? device).startsWith("/")) return "--device: expected an absolute path";
  if (!socket.startsWith("/")) return "--socket: expected an absolute path";
  const runtime = values.runtime ?? process.env.RUNTIME_DIRECTORY?.split(":")[0];
  const stamp = values["no-timestamps"] ? undefined : () => new Date().toISOString();
  const write = (line: string) => process.stderr.write(`${line}\n`);
  return {
    device: unix === undefined ? hidDevice(device, systemClock) : socketDevice(unix, systemClock),
    socket,
    runtime: runtime === undefined ? undefined : String(runtime),
    log: createLog(write, level, stamp).child("panel"),
  };
}

/** Runs until it is told to stop, and ends the process. */
export async function begin(args: readonly string[]): Promise<void> {
  // Timers of the clock keep no process alive, and there may be nothing else for a while.
  setInterval(() => {}, 60_000);
  process.stderr.on("error", () => {});
  const chosen = options(args);
  if (chosen === "help" || chosen === "version") {
    const terminal = openTerminal(process.stdout, process.stderr, process.env, "qkd-panel");
    terminal.pass(chosen === "help" ? usage.trimEnd() : softwareVersion);
    await terminal.written();
  } else if (typeof chosen === "string") {
    process.stderr.write(`qkd-panel: ${chosen}\nTry: qkd-panel --help\n`);
    process.exitCode = exit.usage;
  } else {
    chosen.log.info("starting", { version: softwareVersion, pid: process.pid });
    await run(chosen);
    chosen.log.info("stopped");
  }
  process.exit();
}
