/** Which TCP ports a site's configuration opens to other machines: what an image's packet filter lets in. */
import { parse } from "smol-toml";
import { isLoopback } from "../page/host.ts";
import type { SiteFiles } from "./manifest.ts";

/** In the folder of a configuration: its ports, `9443, 9445`, for the packet filter. */
export const portsFile = "ports";

interface Listener {
  readonly table: string;
  /** Keys that have a port. */
  readonly keys: readonly string[];
  /** Where a configuration that does not say so listens: at all addresses unless this is given. */
  readonly host?: string;
  /** Port of one that names none. */
  readonly port?: number;
}

/** The page shows itself to this machine alone unless it is told otherwise. */
const page = (port: number): Listener => ({
  table: "web",
  keys: ["port"],
  host: "127.0.0.1",
  port,
});

/** Tables in which a program is told to listen, by the file of its configuration. */
export const listeners: Readonly<Record<string, readonly Listener[]>> = {
  "node.toml": [{ table: "server", keys: ["port"] }, page(8_780)],
  "km.toml": [
    { table: "kq1", keys: ["port", "https_port"] },
    { table: "kx", keys: ["port"] },
    { table: "etsi014", keys: ["port"] },
    { table: "skip", keys: ["port"] },
    { table: "ck", keys: ["port"] },
    page(8_781),
  ],
  "controller.toml": [{ table: "ck", keys: ["port"], port: 8_790 }, page(8_782)],
};

/**
 * @param files a configuration's files; one that is no TOML opens nothing, and its program says why it does not start
 * @returns ports in order, each once
 */
export function openPorts(files: SiteFiles): number[] {
  const ports = Object.entries(listeners).flatMap(([name, tables]) => {
    const config = tablesOf(files.get(name));
    return tables.flatMap((one) => portsOf(config[one.table], one));
  });
  return [...new Set(ports)].sort((a, b) => a - b);
}

function portsOf(table: unknown, { keys, host: usual = "::", port: usualPort }: Listener) {
  if (typeof table !== "object" || table === null) return [];
  const { host = usual, enabled, ...rest } = table as Readonly<Record<string, unknown>>;
  if (enabled === false || (typeof host === "string" && isLoopback(host))) return [];
  return keys.map((key) => rest[key] ?? usualPort).filter(isPort);
}

/** 0 is a port of the system's choice: nothing that another machine is told of. */
function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
}

function tablesOf(file: Buffer | undefined): Readonly<Record<string, unknown>> {
  try {
    return file === undefined ? {} : parse(file.toString("utf8"));
  } catch {
    return {};
  }
}
