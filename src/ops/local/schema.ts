/** Who on this machine may look at a program, and act on it: the table `local` of its configuration. */
import * as v from "valibot";
import { absolute } from "../../host/config/values.ts";
import { longestSocketPath } from "./paths.ts";

export const socketPath = v.pipe(
  absolute,
  v.check(
    (path) => Buffer.byteLength(path) <= longestSocketPath,
    `expected a path of at most ${longestSocketPath} bytes`,
  ),
);

export const localSchema = v.strictObject({
  socket: v.optional(socketPath),
  act: v.optional(v.picklist(["owner", "group"]), "owner"),
  read: v.optional(v.picklist(["owner", "group", "all"]), "group"),
});
