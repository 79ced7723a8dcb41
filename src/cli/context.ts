/** What every command is given. */
import type { LocalRequest, RequestName } from "../local/protocol.ts";
import { answers, ask, type Upload } from "./client.ts";
import type { Terminal } from "./terminal.ts";
import { controlSockets, type Where } from "./where.ts";

/** The command line can't be followed; the message says why, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type Values = Readonly<Record<string, string | boolean | undefined>>;

export class Context {
  readonly values: Values;
  readonly positionals: readonly string[];
  readonly terminal: Terminal;
  readonly where: Where;
  readonly json: boolean;
  #sockets: readonly string[] | undefined;

  constructor(
    values: Values,
    positionals: readonly string[],
    terminal: Terminal,
    env: NodeJS.ProcessEnv,
  ) {
    this.values = values;
    this.positionals = positionals;
    this.terminal = terminal;
    this.where = { socket: this.text("socket"), config: this.text("config"), env };
    this.json = values.json === true;
  }

  /** The value of an option that has one. */
  text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** A whole number. @throws UsageError */
  number(name: string, standard: number, least: number, most: number): number {
    const value = this.text(name);
    if (value === undefined) return standard;
    const number = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new UsageError(`--${name}: expected a whole number from ${least} to ${most}`);
  }

  /** Asks the node. @throws Complaint */
  async ask<T>(name: RequestName, args: LocalRequest["args"] = {}, upload?: Upload): Promise<T> {
    return ask<T>(await this.#controls(), name, args, upload);
  }

  /** Asks the node for what goes on. @throws Complaint */
  async *follow<T>(name: RequestName, args: LocalRequest["args"]): AsyncGenerator<T> {
    const controls = await this.#controls();
    for await (const data of answers(controls, name, args)) yield data as T;
  }

  /** Prints lines for a person, or the answer itself. */
  print(data: unknown, lines: () => readonly string[]): void {
    if (this.json) this.terminal.say(JSON.stringify(data));
    else for (const line of lines()) this.terminal.say(line);
  }

  async #controls(): Promise<readonly string[]> {
    this.#sockets ??= await controlSockets(this.where);
    return this.#sockets;
  }
}
