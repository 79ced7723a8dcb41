/** `kind = "qmlp"` in the configuration. */
import * as v from "valibot";
import type { DriverKind } from "../../src/port/driver-kind.ts";
import { serialLink } from "../link/serial.ts";
import { qmlpDriver } from "./connect.ts";

const options = v.strictObject({
  path: v.pipe(v.string(), v.startsWith("/", "expected an absolute device path")),
  baud: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1_200), v.maxValue(50_000_000)),
    921_600,
  ),
  rtscts: v.optional(v.boolean(), false),
});

export const qmlp: DriverKind<v.InferOutput<typeof options>> = {
  kind: "qmlp",
  options,
  create: (chosen, context) => qmlpDriver(serialLink(chosen, context.clock), context),
};
