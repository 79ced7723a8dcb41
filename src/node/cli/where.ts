/** Which node is meant: its sockets, and its configuration. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { CliError } from "../../ops/cli/client.ts";
import { controlSocket, standardConfig, standardSocket } from "../../ops/local/paths.ts";

export interface Where {
  readonly socket: string | undefined;
  readonly config: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** The configuration file that is meant. */
export function configFile({ config }: Where): string {
  return resolve(config ?? standardConfig);
}

/**
 * Control sockets, the likeliest first. A configuration is only read where nothing else says it.
 * @throws CliError if the configuration that was named cannot be read
 */
export async function controlSockets(where: Where): Promise<readonly string[]> {
  const { socket, config, env } = where;
  if (socket !== undefined) return [resolve(socket)];
  if (config === undefined) {
    if (env.QKD_NODE_SOCKET) return [resolve(env.QKD_NODE_SOCKET)];
    if (existsSync(standardSocket)) return [standardSocket];
    if (!existsSync(standardConfig)) return [standardSocket];
  }
  const file = configFile(where);
  const { node, local } = (await readTable(file)) as {
    node?: { state_dir?: unknown };
    local?: { socket?: unknown };
  };
  const configured = typeof local?.socket === "string" ? local.socket : undefined;
  const stateDir = typeof node?.state_dir === "string" ? node.state_dir : undefined;
  const found =
    stateDir === undefined && configured === undefined
      ? []
      : [controlSocket(configured, stateDir ?? "")];
  return file === standardConfig ? [...found, standardSocket] : found;
}

/** A configuration file as TOML, whether it is good or not. @throws CliError */
export async function readTable(file: string): Promise<Record<string, unknown>> {
  const { readConfigBytes } = await import("../../host/config/read-bytes.ts");
  let text: string;
  try {
    text = readConfigBytes(file).toString("utf8");
  } catch (error) {
    if (error instanceof Fault) throw new CliError(error.message, exit.config);
    const { whyNot } = await import("../../host/config/files.ts");
    throw new CliError(`${file}: cannot be read: ${whyNot(error)}`, exit.config);
  }
  const { parse } = await import("smol-toml");
  try {
    return parse(text);
  } catch {
    // What it says quotes the file.
    throw new CliError(`${file}: not TOML; see: qkd-node config check`, exit.config);
  }
}
