import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { serialLink } from "../../../../drivers/link/serial.ts";
import { qmlpDriver } from "../../../../drivers/qmlp/connect.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import type { ModuleEvent, ModuleSession } from "../../../../src/port/module.ts";
import type { TelemetrySample } from "../../../../src/port/telemetry.ts";
import { buildPeer } from "../../../conformance/build-peer.ts";
import { Peer } from "../../../conformance/peer.ts";
import { keyBytes } from "../../../conformance/qmlp.ts";
import { eventually } from "../../../eventually.ts";
import { testWith } from "../../../needs.ts";

const vectors = new URL("../../../fixtures/qmlp/", import.meta.url);

/** The two parts of a golden vector: the frame, and the same on the line. */
function read(file: string): readonly [string, string] {
  const text = readFileSync(new URL(file, vectors), "utf8");
  const [plain = "", wire = ""] = text.split(/# on the line.*/);
  const hex = (part: string) => part.replace(/#.*/g, "").replace(/\s/g, "");
  return [hex(plain), hex(wire)];
}

testWith("cc", "the module in C reads and writes every golden vector", (t) => {
  const files = readdirSync(vectors).filter((name) => name.endsWith(".hex"));
  t.true(files.length > 20);
  const input = files.map((file) => read(file).join(" ")).join("\n");
  const output = execFileSync(buildPeer(), ["--vectors"], {
    input: `${input}\n`,
    encoding: "utf8",
  });
  t.deepEqual(
    output.trim().split("\n"),
    files.map(() => "ok"),
  );
});

testWith("cc", "over a line with noise, the module in C and the driver lose nothing", async (t) => {
  const alive = setInterval(() => {}, 60_000);
  const peer = new Peer();
  await peer.ready();
  // One byte in two thousand: every second frame is damaged.
  await peer.tell("noise 500 7");
  const lengths = Array.from({ length: 40 }, (_, i) => 1_000 + i * 1_001);
  for (const bits of lengths) await peer.tell(`distil ${bits}`);
  const link = serialLink({ path: peer.path, baud: 115_200, rtscts: false }, systemClock);
  const driver = qmlpDriver("qmlp", link, { clock: systemClock, log: silentLog });
  const done = Promise.withResolvers<void>();
  const came = new Map<number, boolean>();
  const samples: TelemetrySample[] = [];
  const events: ModuleEvent[] = [];
  let session: ModuleSession | undefined;
  session = await driver.connect(
    {
      block(block) {
        const { number } = block.ref;
        came.set(number, keyBytes(number, lengths[number] as number).equals(block.expose()));
        session?.release([block.ref]);
      },
      damaged: () => t.fail("a block that was given up"),
      released: () => {
        if (came.size === lengths.length) done.resolve();
      },
      telemetry: (sample) => samples.push(sample),
      absent: () => {},
      event: (event) => events.push(event),
    },
    new AbortController().signal,
  );
  session.grant(1_000, 10_000_000);
  await done.promise;
  t.true([...came.values()].every(Boolean));
  const { framesBad, framesReceived } = session.quality();
  t.true(framesBad > 50, `${framesBad} of ${framesReceived} frames`);
  await peer.tell("noise 0 1");
  await peer.tell("event 5 7 lid opened");
  await session.command({ name: "telemetry_interval", ms: 100 });
  await t.throwsAsync(session.command({ name: "key_rate", bitsPerSecond: -1 }), { message: /bad/ });
  await eventually("events", () => events.length, { atLeast: 1 });
  await eventually("samples", () => samples.length, { atLeast: 2 });
  t.like(events[0], { code: "tamper", severity: "critical", text: "lid opened" });
  t.deepEqual(samples.at(-1)?.values.detector_counts, [1_200, 1_180]);
  await session.command({ name: "zeroize" });
  await session.close();
  await t.throwsAsync(driver.connect({} as never, new AbortController().signal), {
    message: /zeroized/,
  });
  await peer.close();
  clearInterval(alive);
});
