/** Which RPC of gRPC is which command of Ck: for ends that do not keep the stream. */
import { grpcNames } from "./names.ts";
import { type MessageType, messageTypes, type Side, specOf } from "./table.ts";

const path = (service: string, rpc: string) => `/${grpcNames.package}.${service}/${rpc}`;
const other = { km: "controller", controller: "km" } as const;

/** The stream that carries all messages, as a path of HTTP/2. */
export const streamPath = path(grpcNames.controller, grpcNames.stream);
/** Tells how a relay went whose route came by an RPC: there is no answer in the draft. */
export const relayResultPath = path(grpcNames.controller, grpcNames.relayResult);

/** @returns the path of a command's RPC @throws Error for a message that is no command */
export function pathOf(type: MessageType): string {
  const { rpc, from } = specOf[type];
  if (rpc === undefined) throw new Error(`${type} has no RPC`);
  return path(grpcNames[other[from]], rpc);
}

/**
 * @param side that serves
 * @returns the command that comes by this path; undefined if that side serves none
 */
export function commandAt(side: Side, wanted: string): MessageType | undefined {
  return messageTypes.find(
    (type) =>
      specOf[type].rpc !== undefined && specOf[type].from !== side && pathOf(type) === wanted,
  );
}
