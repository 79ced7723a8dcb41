/** Where the local sockets are. Pure. */

/** A Unix socket's address has 108 bytes, one of them a zero, and the second name is longer. */
export const longestSocketPath = 102;

/** Where systemd has the node make them. */
export const standardSocket = "/run/qkd-node/control";
export const standardConfig = "/etc/qkd-node/node.toml";

/**
 * The control socket of a node.
 * @param configured `[local] socket`
 * @param runtimeDirectory `$RUNTIME_DIRECTORY` of the node, as systemd sets it
 */
export function controlSocket(
  configured: string | undefined,
  stateDir: string,
  runtimeDirectory?: string,
): string {
  const folder = runtimeDirectory?.split(":")[0] || stateDir;
  return configured ?? `${folder}/control`;
}

/** The socket beside it that answers and does not act. */
export function readSocket(control: string): string {
  return `${control}.read`;
}

/** The maintenance console's, on an appliance: in a folder that only its user and the node may enter. */
export const maintenanceSocket = "/run/qkd-maintenance/control";

/** Where clients prove who they are. */
export function proofFolder(control: string): string {
  return `${control}.who`;
}
