/** What every command is given. */

import { didYouMean } from "../../base/words.ts";
import { UsageError } from "../../host/terminal/program.ts";
import type { Terminal } from "../../host/terminal/terminal.ts";
import { answers, ask, CliError, type Upload } from "../../ops/cli/client.ts";
import type { LocalRequest, RequestName } from "../../ops/local/protocol.ts";
import type { ConfigReaders } from "../config/readers.ts";
import { controlSockets, type Where } from "./where.ts";

/** ` (there are: a, b); did you mean a?` */
export function among(typed: string, known: readonly string[]): string {
  return ` (there are: ${known.join(", ")})${didYouMean(typed, known)}`;
}

export type Values = Readonly<Record<string, string | boolean | undefined>>;

export class Context {
  readonly values: Values;
  readonly positionals: readonly string[];
  readonly terminal: Terminal;
  readonly where: Where;
  readonly json: boolean;
  /** Reads configurations; loaded when it is asked for. */
  readonly readers: () => Promise<ConfigReaders>;
  #sockets: readonly string[] | undefined;

  constructor(
    values: Values,
    positionals: readonly string[],
    terminal: Terminal,
    env: NodeJS.ProcessEnv,
    readers: () => Promise<ConfigReaders>,
  ) {
    this.readers = readers;
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

  /** Asks the node. @throws CliError; about a module that is not there with what there is */
  async ask<T>(name: RequestName, args: LocalRequest["args"] = {}, upload?: Upload): Promise<T> {
    try {
      return await ask<T>(await this.#controls(), name, args, upload);
    } catch (error) {
      const { module } = args;
      const strange = error instanceof CliError && error.reason === "no_such_module";
      if (!strange || typeof module !== "string") throw error;
      const { modules } = await this.names();
      throw new UsageError(`no such module${among(module, modules)}`);
    }
  }

  /** What the running node calls its modules and KMs. @throws CliError */
  async names(): Promise<{ readonly modules: string[]; readonly kms: string[] }> {
    type Links = { modules: { module: string; kms: { name: string }[] }[] };
    const { modules } = await ask<Links>(await this.#controls(), "links");
    const kms = modules.flatMap((one) => one.kms.map(({ name }) => name));
    return { modules: modules.map(({ module }) => module), kms: [...new Set(kms)] };
  }

  /** Asks the node for what goes on. @throws CliError */
  async *follow<T>(name: RequestName, args: LocalRequest["args"]): AsyncGenerator<T> {
    const controls = await this.#controls();
    for await (const data of answers(controls, name, args)) yield data as T;
  }

  /** Prints lines for a person, or the answer itself. */
  print(data: unknown, lines: () => readonly string[]): void {
    if (this.json) this.terminal.pass(JSON.stringify(data));
    else for (const line of lines()) this.terminal.say(line);
  }

  async #controls(): Promise<readonly string[]> {
    this.#sockets ??= await controlSockets(this.where);
    return this.#sockets;
  }
}
