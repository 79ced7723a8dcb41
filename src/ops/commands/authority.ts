/**
 * Whether a command is carried out. A function of the message, the keys, the time and what was
 * carried out before; pure. The first thing that is wrong decides.
 */
import type { KeyObject } from "node:crypto";
import { type JwsProblem, openJws } from "./jws.ts";
import type { CommandMemory } from "./memory.ts";
import { type CommandRequest, readRequest } from "./request.ts";
import {
  type CommandSpec,
  type CommandTable,
  isCommandOf,
  isGrave,
  type NameOf,
  type OrderOf,
  orderIn,
} from "./table.ts";

export type Refusal =
  /** No JWS by Ed25519, or longer than 8 KiB. */
  | JwsProblem
  /** Signed, but not a command. */
  | "malformed"
  | "unknown_command"
  /** Came on the topic of another command. */
  | "wrong_topic"
  | "wrong_node"
  | "wrong_km"
  | "wrong_controller"
  | "not_permitted"
  /** This program has no part that could carry it out. */
  | "not_available"
  /** The node does not know what time it is. */
  | "clock_implausible"
  | "not_yet_valid"
  | "expired"
  /** May be carried out for longer than a day. */
  | "lifetime_too_long"
  /** Before this start: what was carried out then may have been forgotten with the disk. */
  | "issued_before_start"
  /** Names another start. */
  | "wrong_incarnation"
  /** Names another boot counter, or none where one is needed. */
  | "wrong_boot"
  | "already_executed"
  /** A later command of the same key was seen. */
  | "out_of_order"
  | "bad_arguments"
  /** Brokers keep retained messages: a command is for now. */
  | "retained"
  /** Too many commands wait. */
  | "busy"
  /** It could not be recorded, so it was not carried out; the same command may be sent again. */
  | "state_unavailable";

/** Refusals of what no known key has signed. */
export const unauthenticated: readonly Refusal[] = ["unsigned", "unknown_key", "bad_signature"];

export interface CommandKey {
  readonly id: string;
  readonly key: KeyObject;
  readonly commands: readonly string[];
}

/** The program that commands are for: a signature is good at one. */
export interface Subject {
  readonly is: "node" | "km" | "controller";
  readonly id: string;
}

export interface Authority<Table extends CommandTable> {
  readonly table: Table;
  readonly subject: Subject;
  readonly boot: number;
  /** Random bits of this start, never on a disk. */
  readonly incarnation: string;
  readonly keys: ReadonlyMap<string, CommandKey>;
  readonly memory: CommandMemory;
  /** What this program can carry out. */
  readonly available: ReadonlySet<NameOf<Table>>;
}

export interface Refused {
  readonly refused: Refusal;
  /** Known once the signature is good. */
  readonly keyId?: string;
  readonly id?: string;
  /** What became of it the first time. */
  readonly earlier?: string;
}

export interface Accepted<Table extends CommandTable> {
  readonly keyId: string;
  readonly request: CommandRequest;
  readonly order: OrderOf<Table>;
}

/** A manager's clock may be this far ahead of the node's, ms. */
const skew = 30_000;
const longestLife = 86_400_000;
/** It may be this far behind when the node has just begun, ms: to put a disk back takes longer. */
const behind = 5_000;

export interface Now {
  /** ms since 1970 UTC */
  readonly wall: number;
  /** Whether that can be the time. */
  readonly plausible: boolean;
  /** When this start began to take commands, by the clock as it is now, ms since 1970 UTC. */
  readonly began: number;
}

/** @param topic the command that the topic names */
export function judge<Table extends CommandTable>(
  message: { readonly topic: string; readonly payload: Buffer },
  { table, subject, boot, incarnation, keys, memory, available }: Authority<Table>,
  { wall, plausible, began }: Now,
): Accepted<Table> | Refused {
  const opened = openJws(message.payload, (id) => keys.get(id)?.key);
  if (typeof opened === "string") return { refused: opened };
  const { keyId } = opened;
  const request = readRequest(opened.payload);
  if (request === undefined) return { refused: "malformed", keyId };
  const { id, command, counter, issued, expires } = request;
  const no = (refused: Refusal, more: Partial<Refused> = {}) => ({ refused, keyId, id, ...more });

  if (!isCommandOf(table, command)) return no("unknown_command");
  if (command !== message.topic) return no("wrong_topic");
  if (request[subject.is] !== subject.id) return no(`wrong_${subject.is}`);
  if (!keys.get(keyId)?.commands.includes(command)) return no("not_permitted");
  if (!available.has(command)) return no("not_available");
  // Before the time: who asks again after a lost answer is told what became of it.
  const earlier = memory.outcome(keyId, id);
  if (earlier !== undefined) return no("already_executed", { earlier });
  if (counter <= memory.counter(keyId)) return no("out_of_order");
  if (!plausible) return no("clock_implausible");
  if (expires - issued > longestLife) return no("lifetime_too_long");
  if (issued > wall + skew) return no("not_yet_valid");
  if (expires <= wall) return no("expired");
  // The memory may be that of a disk which was put back: it knows nothing of what came after the copy.
  if (issued < began - behind) return no("issued_before_start");
  if ((request.incarnation ?? incarnation) !== incarnation) return no("wrong_incarnation");
  const spec: CommandSpec | undefined = (table as CommandTable)[command];
  if (wrongBoot(spec, request, boot)) return no("wrong_boot");
  const order = orderIn(table, command, request.args);
  if (order === undefined) return no("bad_arguments");
  if (spec?.proof !== true) return { keyId, request, order };
  return { keyId, request, order: { ...order, signed: message.payload.toString("latin1") } };
}

function wrongBoot(
  spec: CommandSpec | undefined,
  { boot: named, args }: CommandRequest,
  boot: number,
): boolean {
  if (named !== undefined) return named !== boot;
  return spec !== undefined && isGrave(spec, args);
}
