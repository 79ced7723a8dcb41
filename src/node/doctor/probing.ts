/** `qkd-node probe`: what answers on a device. Takes no key: it grants no credit. */
import { type Clock, within } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { counted } from "../../base/words.ts";
import type { LinkQuality, ModuleDriver, ModuleIdentity } from "../../port/module.ts";
import { figures, type TelemetrySample } from "../../port/telemetry.ts";

export interface Probed {
  readonly where: string;
  readonly driver: string;
  /** What the device tells without a session. */
  readonly device: Readonly<Record<string, string>>;
  readonly answered_after_ms: number;
  readonly identity: ModuleIdentity;
  readonly telemetry?: TelemetrySample["values"];
  readonly quality: LinkQuality;
}

/** A module that measures anything says so within this time, ms. */
const sampleTimeout = 3_000;

/**
 * Tells what the device says of itself, opens a session, listens for one telemetry sample, and
 * closes it again.
 * @param say takes lines for a person, as they become known: a card may answer without its module
 * @returns the same for programs
 * @throws Fault `link.*`, `qmlp.*` if nothing answers, or not what it should
 */
export async function probe(
  driver: ModuleDriver,
  clock: Clock,
  say: (line: string) => void,
): Promise<Probed> {
  const device = driver.inspect?.() ?? {};
  say(driver.where);
  for (const [name, value] of Object.entries(device)) say(row(name, value));
  const sample = Promise.withResolvers<TelemetrySample>();
  const begun = clock.now();
  const session = await driver.connect(
    {
      // Without credit a module offers nothing; one that does all the same gets nothing confirmed.
      block: (block) => block.wipe(),
      damaged: () => {},
      released: () => {},
      telemetry: sample.resolve,
      absent: () => {},
      event: () => {},
    },
    new AbortController().signal,
  );
  try {
    const took = Math.round(clock.now() - begun);
    say(row("answers", `a QKD module (${driver.kind}), after ${took} ms`));
    for (const line of describeIdentity(session.identity)) say(line);
    const late = () => new Fault("qmlp.timeout", "no telemetry", { limit_ms: sampleTimeout });
    const heard = await within(clock, sampleTimeout, sample.promise, late).catch(() => undefined);
    if (heard === undefined) say(row("telemetry", `none within ${sampleTimeout / 1_000} s`));
    else for (const line of describeSample(heard)) say(line);
    const quality = session.quality();
    const { framesReceived, framesBad, framesResent, bytesReceived } = quality;
    say(
      row(
        "link",
        `${counted(framesReceived, "frame")}, ${counted(bytesReceived, "byte")} received`,
      ),
    );
    say(row("", `${framesBad} bad, ${framesResent} sent again`));
    return {
      where: driver.where,
      driver: driver.kind,
      device,
      answered_after_ms: took,
      identity: session.identity,
      ...(heard !== undefined && { telemetry: heard.values }),
      quality,
    };
  } finally {
    await session.close();
  }
}

function row(name: string, value: string): string {
  return `  ${name.padEnd(22)} ${value}`;
}

function describeIdentity(identity: ModuleIdentity): string[] {
  return [
    row("module ID", `${identity.moduleId} (${identity.role})`),
    row("matching module", identity.matchingModuleId || "not told"),
    row("vendor, model", `${identity.vendor} ${identity.model}`),
    row("serial number", identity.serial),
    row("firmware", identity.firmware),
    row("protocol", identity.protocol),
    row("longest block", `${identity.maxBlockBytes} bytes`),
  ];
}

function describeSample(sample: TelemetrySample): string[] {
  return Object.entries(sample.values).map(([name, value]) => {
    const { unit } = figures[name as keyof typeof figures];
    const numbers = [value].flat().map((number) => Number(number.toPrecision(6)));
    return row(name, `${numbers.join(", ")}${unit === "1" ? "" : ` ${unit}`}`);
  });
}
