/** `qkd-node` and `qkd-km` as a person or a script calls them. */
import { spawn } from "node:child_process";
import { schemas } from "../../src/node/cli/schema.ts";
import { check } from "./json-schema.ts";
import { programPath } from "./programs.ts";

export const program = programPath("qkd-node");

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs a command of the node to its end.
 * @param command another than the run's own
 */
export function qkdNode(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  command: string = program,
): Promise<Said> {
  return said(command, args, env);
}

/** The same of the key manager. */
export function qkdKm(args: readonly string[]): Promise<Said> {
  return said(programPath("qkd-km"), args, {});
}

/** The same of the controller. */
export function qkdController(args: readonly string[]): Promise<Said> {
  return said(programPath("qkd-controller"), args, {});
}

function said(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Said> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

/** What is wrong with the JSON that a command printed, by its own schema. */
export function problemsOf(command: string, json: string): string[] {
  return check(JSON.parse(json), schemas[command] as object as never, command);
}

/** Lines that do not fit a terminal of 80 columns. */
export function tooWide(text: string): string[] {
  return text.split("\n").filter((line) => [...line].length > 80);
}
