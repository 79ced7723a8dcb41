/** What is wrong with a command line, and the parts of one that programs share. */

export class UsageError extends Error {}

/** `HOST:PORT`, `[IPv6]:PORT`. @throws UsageError */
export function readAddress(text: string, option: string): { host: string; port: number } {
  const [, v6, name, digits] = /^(?:\[([0-9a-f:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/i.exec(text) ?? [];
  const port = Number(digits);
  const host = v6 ?? name;
  if (host === undefined || port < 1 || port > 65_535) {
    throw new UsageError(`${option}: expected HOST:PORT, not ${JSON.stringify(text)}`);
  }
  return { host, port };
}
