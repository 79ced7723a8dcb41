/** `kind = "skeleton"`, once it is in the list of `drivers/index.ts`. */
import * as v from "valibot";
import type { DriverKind } from "../../src/port/driver-kind.ts";
import { type SocketOptions, socketLink } from "../link/socket.ts";
import { connect } from "./session.ts";

export const skeleton: DriverKind<SocketOptions> = {
  kind: "skeleton",
  options: v.strictObject({ address: v.string() }),
  create(chosen, context) {
    const link = socketLink(chosen, context.clock);
    return {
      kind: "skeleton",
      where: link.where,
      connect: (sink, signal) => connect(link, context, sink, signal),
    };
  },
};
