/** A panel's device that hangs while it is opened holds up nothing for good. */
import test from "ava";
import { openController } from "../../../../drivers/panel/controller.ts";
import type { PanelDevice } from "../../../../drivers/panel/device.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { ManualClock, settle } from "../../../clock.ts";

test("a device that does not open is given up in time, and let go of if it opens after all", async (t) => {
  const clock = new ManualClock();
  const opening = Promise.withResolvers<PanelDevice>();
  const device = { where: "/dev/hidraw9", open: () => opening.promise };
  const sink = { status() {}, identity() {}, malformed() {} };
  const wish = () => {
    throw new Error("there is none to show anything");
  };
  let error: unknown;
  openController(device, { clock, log: silentLog, sink, wish }).catch((fault: unknown) => {
    error = fault;
  });
  await clock.advance(1_999);
  t.is(error, undefined);
  await clock.advance(1);
  t.like(error, { code: "link.open", facts: { source: "/dev/hidraw9", limit_ms: 2_000 } });
  let closed = 0;
  const close = async () => void closed++;
  opening.resolve({ ended: new Promise(() => {}), send() {}, close });
  await settle();
  t.is(closed, 1);
});
