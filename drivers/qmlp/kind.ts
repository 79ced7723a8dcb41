/** `kind = "qmlp"` (serial), `"qmlp-pcie"` and `"qmlp-socket"` in the configuration. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import type { DriverKind } from "../../src/port/driver-kind.ts";
import { type PcieOptions, pcieLink } from "../link/pcie.ts";
import { type SerialOptions, serialLink } from "../link/serial.ts";
import { parseAddress, type SocketOptions, socketLink } from "../link/socket.ts";
import { qmlpDriver } from "./connect.ts";

const absolute = v.pipe(v.string(), v.startsWith("/", "expected an absolute device path"));

const overSerial: DriverKind<SerialOptions> = {
  kind: "qmlp",
  measuresQber: () => true,
  options: v.strictObject({
    path: absolute,
    baud: v.optional(
      v.pipe(v.number(), v.integer(), v.minValue(1_200), v.maxValue(50_000_000)),
      921_600,
    ),
    rtscts: v.optional(v.boolean(), false),
  }),
  devices: ({ path }) => [path],
  create: (chosen, context) => qmlpDriver("qmlp", serialLink(chosen, context.clock), context),
  // The last kind that is asked: whatever is no other thing may be a serial port.
  recognise: (device, baud) => ({ path: resolve(device), baud, rtscts: false }),
};

const overPcie: DriverKind<PcieOptions> = {
  kind: "qmlp-pcie",
  measuresQber: () => true,
  options: v.strictObject({
    path: absolute,
    channel: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3)), 0),
  }),
  devices: ({ path, channel }) => [
    `${path}_user`,
    `${path}_c2h_${channel}`,
    `${path}_h2c_${channel}`,
  ],
  create: (chosen, context) =>
    qmlpDriver("qmlp-pcie", pcieLink(chosen, context.clock, context.hold), context),
  recognise(device) {
    const [, prefix = device, channel] = /^(.*)_(?:user|[ch]2[ch]_(\d))$/.exec(device) ?? [];
    // A card by its name is one also where it is not there: it is missed as what it is.
    if (!existsSync(`${prefix}_user`) && !/(^|\/)xdma\d+$/.test(prefix)) return undefined;
    return { path: resolve(prefix), channel: Number(channel ?? 0) };
  },
};

const overSocket: DriverKind<SocketOptions> = {
  kind: "qmlp-socket",
  measuresQber: () => true,
  options: v.strictObject({
    address: v.pipe(
      v.string(),
      v.check(
        (text) => parseAddress(text) !== undefined,
        "expected unix:/PATH or tcp:HOST:PORT, an IPv6 address in brackets",
      ),
      // The longest path that a Unix socket takes.
      v.maxBytes(5 + 107, "expected a path of at most 107 bytes"),
    ),
  }),
  devices: ({ address }) => (address.startsWith("unix:") ? [address.slice(5)] : []),
  create(chosen, context) {
    if (chosen.address.startsWith("tcp:")) {
      context.log.warn("keys are readable on the way from the module", { link: chosen.address });
    }
    return qmlpDriver("qmlp-socket", socketLink(chosen, context.clock), context);
  },
  recognise: (device) => (parseAddress(device) === undefined ? undefined : { address: device }),
};

// biome-ignore lint/suspicious/noExplicitAny: each kind has options of its own, checked by its schema
export const qmlpKinds: readonly DriverKind<any>[] = [overPcie, overSocket, overSerial];
