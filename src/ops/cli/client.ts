/** Asks a daemon over its local sockets. */
import { mkdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { exit } from "../../base/exit-codes.ts";
import { ExitError } from "../../host/terminal/program.ts";
import { proofFolder, readSocket } from "../local/paths.ts";
import {
  type AnswerLine,
  actNames,
  encodeRequest,
  type LocalErrorCode,
  type LocalRequest,
  longestAnswer,
  olderDaemon,
  protocolVersion,
  type RequestName,
} from "../local/protocol.ts";

/** What a person is told, and the exit code that goes with it. */
export class CliError extends ExitError {
  override readonly name = "CliError";
  /** The node's own code, where it refuses. */
  readonly reason: LocalErrorCode | undefined;

  constructor(message: string, exitCode: number, reason?: LocalErrorCode) {
    super(message, exitCode);
    this.reason = reason;
  }
}

/** No daemon listens. */
export class NotRunning extends CliError {
  constructor(path: string, who = defaultWho) {
    super(`${who.called} is not running: nobody answers on ${path}`, exit.unavailable);
  }
}

/** Which daemon is asked, as messages name it. */
export interface Who {
  readonly called: string;
  /** Its command. */
  readonly command: string;
}

const defaultWho: Who = { called: "the node", command: "qkd-node" };

/** Answers come at once, but for actions: a module has 30 s for those. */
const patience = 10_000;
const actPatience = 40_000;

/** What goes along with a request. */
export interface Upload {
  readonly bytes: number;
  /** What was announced, as it is read. */
  readonly chunks: () => AsyncIterable<Buffer>;
}

const codes: Readonly<Record<string, number>> = {
  bad_request: exit.usage,
  no_such_module: exit.usage,
  unknown_request: exit.protocol,
  not_permitted: exit.noPermission,
  not_available: exit.unavailable,
  refused: exit.failed,
  io: exit.io,
  busy: exit.tryAgain,
};

async function open(path: string): Promise<Socket> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** @throws CliError */
async function reach(
  controls: readonly string[],
  acts: boolean,
  who: Who,
): Promise<{ readonly socket: Socket; readonly path: string }> {
  const paths = controls.flatMap((path) => (acts ? [path] : [readSocket(path), path]));
  let refused: string | undefined;
  for (const path of paths) {
    try {
      return { socket: await open(path), path };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EACCES" || code === "EPERM") refused ??= path;
    }
  }
  if (refused === undefined) throw new NotRunning(controls[0] ?? "its socket", who);
  const what = acts ? "act on" : "look at";
  throw new CliError(
    `you may not ${what} ${who.called} (${refused}): ask as root, as its user, or as a member of its group`,
    exit.noPermission,
  );
}

/**
 * Every line of an answer.
 * @param controls control sockets, in the order in which they are tried
 * @throws CliError
 */
export async function* answers(
  controls: readonly string[],
  name: RequestName,
  args: LocalRequest["args"] = {},
  upload?: Upload,
  who: Who = defaultWho,
): AsyncGenerator<unknown> {
  const acts = (actNames as readonly string[]).includes(name);
  const { socket, path } = await reach(controls, acts, who);
  try {
    socket.setEncoding("utf8");
    socket.setTimeout(acts ? actPatience : patience, () =>
      socket.destroy(new CliError(`${who.called} does not answer`, exit.unavailable)),
    );
    socket.write(encodeRequest(name, args));
    const parts: string[] = [];
    let length = 0;
    for await (const chunk of socket as AsyncIterable<string>) {
      length += chunk.length;
      if (length > longestAnswer) throw new CliError("answer too long", exit.protocol);
      parts.push(chunk);
      if (!chunk.includes("\n")) continue;
      const lines = parts.splice(0).join("").split("\n");
      const rest = lines.pop() ?? "";
      if (rest !== "") parts.push(rest);
      length = rest.length;
      for (const line of lines) {
        const { data, more, prove: proof, take } = read(line, who);
        if (take !== undefined) {
          await send(socket, take, upload, who);
          continue;
        }
        if (proof !== undefined) {
          prove(proof, path, who);
          socket.write("\n");
          continue;
        }
        yield data;
        // What is followed may have nothing to say for hours.
        if (more === true) socket.setTimeout(0);
        else return;
      }
    }
    throw new CliError(`${who.called} closed the connection`, exit.unavailable);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`the connection to ${who.called} broke`, exit.unavailable);
  } finally {
    socket.destroy();
  }
}

/** The one answer. @throws CliError */
export async function ask<T>(
  controls: readonly string[],
  name: RequestName,
  args: LocalRequest["args"] = {},
  upload?: Upload,
  who: Who = defaultWho,
): Promise<T> {
  for await (const data of answers(controls, name, args, upload, who)) return data as T;
  throw new CliError(`${who.called} gave no answer`, exit.unavailable);
}

/** @throws CliError if the daemon wants anything but what was announced */
async function send(
  socket: Socket,
  take: number,
  upload: Upload | undefined,
  { called }: Who,
): Promise<void> {
  if (upload?.bytes !== take) {
    throw new CliError(`${called} asks for what was not announced`, exit.protocol);
  }
  for await (const chunk of upload.chunks()) {
    if (!socket.writable) return;
    if (socket.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off("drain", done).off("close", done);
        resolve();
      };
      socket.once("drain", done).once("close", done);
    });
  }
}

/** Makes the folder that shows the daemon whose process this is; the daemon removes it. */
function prove(folder: string, control: string, { called }: Who): void {
  // The answer must be this daemon's, to this request.
  if (!/^[0-9a-f]{32}$/.test(basename(folder)) || dirname(folder) !== proofFolder(control)) {
    throw new CliError(`${called} asks for a proof in a wrong place`, exit.protocol);
  }
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch {
    throw new CliError(`cannot prove who you are in ${dirname(folder)}`, exit.noPermission);
  }
}

/** @param what it cannot do, as a sentence begins */
export function older(what: string, { called, command }: Who, reason?: LocalErrorCode): CliError {
  const why = olderDaemon(called.replace(/^the /, ""), command);
  return new CliError(`${what}: ${why}`, exit.protocol, reason);
}

function read(line: string, who: Who): AnswerLine {
  const { called, command } = who;
  let answer: AnswerLine;
  try {
    answer = JSON.parse(line);
  } catch {
    throw new CliError(`the answer of ${called} is not JSON`, exit.protocol);
  }
  if (answer.v !== protocolVersion) {
    throw new CliError(`${called} speaks another version: use its own ${command}`, exit.protocol);
  }
  const { error } = answer;
  if (error?.code === "unknown_request") {
    throw older("it does not know this", who, error.code);
  }
  if (error !== undefined) {
    throw new CliError(error.message, codes[error.code] ?? exit.software, error.code);
  }
  return answer;
}
