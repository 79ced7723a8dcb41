import test from "ava";
import { serialLink } from "../../../../drivers/link/serial.ts";
import { ManualClock } from "../../../clock.ts";
import { Pty } from "../../../emulator/pty.ts";
import { eventually } from "../../../eventually.ts";

const never = new AbortController().signal;

test("a serial port is closed once the device has what was written", async (t) => {
  let came = 0;
  const pty = new Pty((chunk) => {
    came += chunk.length;
  });
  t.teardown(() => pty.close());
  const options = { path: pty.path, baud: 115_200, rtscts: false };
  const link = await serialLink(options, new ManualClock()).open(() => {}, never);
  pty.reading(false);
  // More than a PTY and its reader have room for: most of it waits when the port is closed.
  for (let n = 0; n < 64; n++) link.write(Buffer.alloc(4_096, n + 1));
  const closed = link.close();
  pty.reading(true);
  await eventually("bytes", () => came, { is: 64 * 4_096 });
  await closed;
  t.is(came, 64 * 4_096);
});

test("a device that takes nothing is let go of all the same", async (t) => {
  const pty = new Pty(() => {});
  t.teardown(() => pty.close());
  const clock = new ManualClock();
  const options = { path: pty.path, baud: 115_200, rtscts: false };
  const serial = serialLink(options, clock);
  const link = await serial.open(() => {}, never);
  pty.reading(false);
  for (let n = 0; n < 64; n++) link.write(Buffer.alloc(4_096, n + 1));
  const closed = link.close();
  await clock.advance(500);
  await closed;
  const again = await serial.open(() => {}, never);
  t.pass("it opens again");
  await again.close();
});
