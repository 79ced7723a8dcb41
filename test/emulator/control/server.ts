/** Takes commands for a running pair: one a line, one answer a line, on a Unix socket. */
import { rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { describe, Fault } from "../../../src/base/errors.ts";
import type { EmulatedPair } from "../pair.ts";
import { readCommand } from "./commands.ts";

const maxLine = 1_024;

/** Carries out a line. @returns `ok …` or `error …` */
export function obey(pair: EmulatedPair, line: string): string {
  try {
    return `ok ${readCommand(line)(pair)}`;
  } catch (error) {
    return `error ${describe(error)}`;
  }
}

/** Calls `onLine` for each line; a longer one ends the stream. */
export function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") onLine(line);
    if (rest.length > maxLine) rest = "";
  });
}

export class ControlServer {
  readonly path: string;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  constructor(path: string, pair: EmulatedPair) {
    this.path = path;
    rmSync(path, { force: true });
    this.#server = createServer((client) => {
      this.#clients.add(client);
      client.on("error", () => client.destroy());
      client.on("close", () => this.#clients.delete(client));
      eachLine(client, (line) => client.write(`${obey(pair, line)}\n`));
    });
    this.#server.on("error", () => {});
    this.#server.listen(path);
  }

  close(): void {
    this.#server.close();
    for (const client of this.#clients) client.destroy();
    rmSync(this.path, { force: true });
  }
}

/** Sends one command. @returns the answer @throws Fault `link.open` if no emulator is there */
export function send(path: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.setTimeout(5_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", () => {
      reject(new Fault("link.open", "no emulator answers", { source: path }));
    });
    eachLine(socket, (line) => {
      resolve(line);
      socket.end();
    });
    socket.write(`${command}\n`);
  });
}
