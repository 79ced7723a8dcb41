/**
 * What is spoken on a daemon's local sockets: one line of JSON asks, lines of JSON answer. Pure, and
 * without dependencies: a client starts with this alone.
 */

/** Grows when an old client could misread an answer. */
export const protocolVersion = 1;

/** What a client says where an answer, or a part of it, is not there: the daemon ran on with older software. */
export function olderDaemon(daemon: string, command: string): string {
  return `the running ${daemon} is older than this ${command}: restart it, or update its software`;
}

export const olderNode = olderDaemon("node", "qkd-node");

/** A request is one line of at most this many bytes. */
export const longestRequest = 16_384;
/** A line of an answer is at most this long, bytes. */
export const longestAnswer = 8_388_608;

/** What may be asked for on either socket. */
export const readNames = [
  "status",
  "keys",
  "telemetry",
  "alarms",
  "events",
  "links",
  "certs",
  "config",
  "logs",
  "history",
  "kept",
  "update",
  "metrics",
  "accounting",
  "changes",
  "issued",
  "revocation_list",
] as const;
/** What may be asked for on the control socket only. */
export const actNames = [
  "start",
  "stop",
  "self_test",
  "zeroize",
  "acknowledge_alarm",
  "release_quarantine",
  "discard_quarantine",
  "withhold",
  "free_km",
  "accept_km",
  "accept_module",
  "clear_tamper",
  "reload_certificates",
  "install_update",
  "session",
  "compromise",
  "rekey",
  "relay",
  "set_service",
  "register",
  "withdraw",
  "certify",
  "revoke",
  "set_routes",
  "end_session",
] as const;

/** Those that are of a key manager or a controller, and not of a node. */
export const notOfNodes = [
  "compromise",
  "rekey",
  "relay",
  "set_service",
  "register",
  "withdraw",
  "certify",
  "revoke",
  "set_routes",
  "end_session",
] as const satisfies readonly (typeof actNames)[number][];

/** Those that the maintenance console may ask for, over a socket of its own. */
export const maintenanceNames: readonly RequestName[] = ["install_update", "session"];

/** Those that cannot be undone: they name the node as well. */
export const graveNames: readonly RequestName[] = ["zeroize", "clear_tamper", "install_update"];

export type ReadName = (typeof readNames)[number];
export type ActName = (typeof actNames)[number];
export type RequestName = ReadName | ActName;

export interface LocalRequest {
  readonly v: number;
  readonly do: RequestName;
  readonly args: Readonly<Record<string, string | number | boolean>>;
}

export type LocalErrorCode =
  /** Not a request of this version. */
  | "bad_request"
  | "unknown_request"
  /** It needs the control socket. */
  | "not_permitted"
  /** Too many clients, or an action is under way. */
  | "busy"
  | "no_such_module"
  /** This node has no part that could do it. */
  | "not_available"
  /** It could do it, and the answer is no. */
  | "refused"
  /** Its disk, or database, does not do what was asked of it. */
  | "io"
  | "internal";

export interface AnswerLine {
  readonly v: number;
  readonly data?: unknown;
  /** Make a folder of this name, then send an empty line: it proves who you are. */
  readonly prove?: string;
  /** Send so many bytes now: what the request announced. */
  readonly take?: number;
  /** More lines follow, as things happen. */
  readonly more?: true;
  readonly error?: { readonly code: LocalErrorCode; readonly message: string };
}

/** A request that can't be answered; the message is for a person and quotes nothing. */
export class LocalError extends Error {
  override readonly name = "LocalError";
  readonly code: LocalErrorCode;

  constructor(code: LocalErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function encodeRequest(name: RequestName, args: LocalRequest["args"] = {}): string {
  return `${JSON.stringify({ v: protocolVersion, do: name, args })}\n`;
}

/** @throws LocalError `bad_request`, `unknown_request` */
export function parseRequest(line: string): LocalRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new LocalError("bad_request", "request is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LocalError("bad_request", "request is no object");
  }
  const { v, do: name, args = {}, ...others } = value as Record<string, unknown>;
  if (v !== protocolVersion) {
    throw new LocalError("bad_request", `only version ${protocolVersion} of this is spoken here`);
  }
  if (Object.keys(others).length > 0) throw new LocalError("bad_request", "unknown member");
  const known: readonly unknown[] = [...readNames, ...actNames];
  if (!known.includes(name)) throw new LocalError("unknown_request", "unknown request");
  const plain =
    typeof args === "object" &&
    args !== null &&
    Object.values(args).every((one) => ["string", "number", "boolean"].includes(typeof one));
  if (!plain || Array.isArray(args)) throw new LocalError("bad_request", "bad arguments");
  return { v, do: name as RequestName, args: args as LocalRequest["args"] };
}

export function isNotOfNodes(name: ActName): name is (typeof notOfNodes)[number] {
  return (notOfNodes as readonly string[]).includes(name);
}

export function isAct(name: RequestName): name is ActName {
  return (actNames as readonly string[]).includes(name);
}
