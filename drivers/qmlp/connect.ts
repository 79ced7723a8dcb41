/** Opens a QMLP session: the link, then HELLO until the module welcomes (QMLP §3). */
import { randomBytes } from "node:crypto";
import { every } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import type { DriverContext, ModuleDriver, ModuleSink } from "../../src/port/module.ts";
import type { Link, LinkFactory } from "../link/link.ts";
import { type Frame, type } from "./frame.ts";
import {
  allCapabilities,
  capability,
  decodeRefuse,
  decodeWelcome,
  encodeHello,
  protocolVersion,
  refusal,
  type Welcome,
  zeroizedReason,
} from "./hello.ts";
import { Line } from "./line.ts";
import { QmlpSession } from "./session.ts";

const helloInterval = 250;
const helloTimeout = 3_000;
/** Reliable frames the module may have outstanding. */
const receiveWindow = 256;

/** @param kind its name in the configuration */
export function qmlpDriver(
  kind: string,
  factory: LinkFactory,
  context: DriverContext,
): ModuleDriver {
  return {
    kind,
    where: factory.where,
    ...(factory.inspect !== undefined && { inspect: () => factory.inspect?.() ?? {} }),
    connect: (sink, signal) => connect(factory, context, sink, signal),
  };
}

async function connect(
  factory: LinkFactory,
  { clock, log }: DriverContext,
  sink: ModuleSink,
  signal: AbortSignal,
): Promise<QmlpSession> {
  const where = factory.where;
  const nonce = randomBytes(8);
  const greeted = Promise.withResolvers<Welcome>();
  let session: QmlpSession | undefined;
  let line: Line | undefined;

  const link: Link = await factory.open((chunk) => line?.push(chunk), signal);
  const shape = { maxBody: factory.maxBody, shortCrc: factory.checked };
  line = new Line(link, where, clock, shape, {
    message: (frame) => session?.message(frame),
    greeting: (frame) => greet(frame, nonce, where, greeted),
    refill: (room) => session?.refill(room),
    failed: (fault) => {
      greeted.reject(fault);
      session?.finish(fault);
    },
  });

  const hello = encodeHello({
    versionMin: protocolVersion,
    versionMax: protocolVersion,
    window: receiveWindow,
    maxBody: factory.maxBody,
    nonce,
    capabilities: factory.checked ? allCapabilities : allCapabilities & ~capability.shortCrc,
    nodeSoftware: "qkd-node",
  });
  const fail = (fault: Fault) => greeted.reject(fault);
  const stop = () => fail(new Fault("stopped", "connecting was stopped", { source: where }));
  signal.addEventListener("abort", stop, { once: true });
  void link.ended.then((error) =>
    greeted.reject(error ?? new Fault("link.closed", "link closed", { source: where })),
  );
  const deadline = clock.after(helloTimeout, () =>
    fail(
      new Fault("qmlp.timeout", "nothing that speaks QMLP answers", {
        source: where,
        limit_ms: helloTimeout,
        bad_frames: line?.quality().framesBad ?? 0,
      }),
    ),
  );
  const repeat = every(clock, helloInterval, () => line?.send(type.hello, hello));
  try {
    line.send(type.hello, hello);
    const welcome = await greeted.promise;
    const maxBody = Math.min(factory.maxBody, welcome.maxBody);
    session = new QmlpSession({ link, line, welcome, maxBody, sink, clock, log });
    line.open(welcome.window, receiveWindow);
    return session;
  } catch (error) {
    line.stop();
    await link.close();
    throw error;
  } finally {
    deadline.cancel();
    repeat.cancel();
    signal.removeEventListener("abort", stop);
  }
}

function greet(
  frame: Frame,
  nonce: Buffer,
  source: string,
  greeted: PromiseWithResolvers<Welcome>,
): void {
  if (frame.type === type.refuse) {
    const refuse = decodeRefuse(frame.body);
    if (!refuse.nonce.equals(nonce)) return;
    throw new Fault("qmlp.refused", refusal[refuse.reason] ?? "module refused the session", {
      source,
      reason: refuse.reason,
      zeroized: refuse.reason === zeroizedReason,
      version_min: refuse.versionMin,
      version_max: refuse.versionMax,
    });
  }
  if (frame.type !== type.welcome) return;
  const welcome = decodeWelcome(frame.body);
  if (!welcome.nonce.equals(nonce)) return;
  if (welcome.version !== protocolVersion) {
    throw new Fault("qmlp.message", "module chose a version that was not offered", {
      source,
      version: welcome.version,
    });
  }
  greeted.resolve(welcome);
}
