/** Which RPC of gRPC is which command of Ck: for ends that do not keep the stream. */
import { checkAnswer } from "./check.ts";
import { badMessage } from "./fault.ts";
import { decodeMessage, encodeMessage } from "./grpc.ts";
import type { CkMessage } from "./messages.ts";
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

/**
 * What is at a path, for the side that serves it.
 * @param answer to a command, which may refuse it; undefined from the answer to how a relay went
 * @returns reads the message of a call and writes its answer; undefined: there is nothing at this path
 */
export function served(
  side: Side,
  wanted: string,
  answer: (message: CkMessage) => Promise<CkMessage | undefined>,
): ((bytes: Uint8Array) => Promise<Uint8Array>) | undefined {
  const isResult = side === "controller" && wanted === relayResultPath;
  const type = isResult ? "relayResponse" : commandAt(side, wanted);
  if (type === undefined) return undefined;
  /** @throws Fault `ck.message` if the message, or the answer, is not as the table says */
  return async (bytes) => {
    const command = decodeMessage(type, bytes);
    const answered = await answer(command);
    if (isResult) return new Uint8Array();
    if (answered === undefined || answered.type !== specOf[type].answer) {
      throw badMessage(type, "is not answered by its answer");
    }
    checkAnswer(command, answered);
    return encodeMessage(answered);
  };
}
