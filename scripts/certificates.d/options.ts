/** The command line of `scripts/certificates`. */
import { isIP } from "node:net";
import { parseArgs } from "node:util";

export class UsageError extends Error {}

export const usage = `scripts/certificates DIR [options]: certificates for a bench

Makes in DIR a CA (ca.crt, ca.key) and, for each node and KM, a certificate and
its private key (NAME.crt; NAME.key, mode 0600). A CA that is there already is
used again, what is there already is kept: run it again with more names.
The same files are right for Kq-1 over TCP and over HTTPS.

  --km NAME[,ADDRESS…]    a KM: its name, and further names or IP addresses
                          under which it is reached; may be repeated
                          (km,localhost,127.0.0.1)
  --node NAME[,ADDRESS…]  a node; may be repeated (node-alice and node-bob)
  --days N                how long they are good (90), no longer than the CA;
                          the CA, when it is made: ten times as long
  --renew                 make them anew also where they are there
  --json                  one JSON object instead of lines
  --help

Who has ca.key can make certificates for everybody who trusts ca.crt: for a
network that carries keys of value take the CA of your organisation.
Exit codes: 0, 64 wrong command line, 73 a file cannot be written, 74
the output cannot be.
`;

/** Whom a certificate is for. */
export interface Holder {
  /** Its common name, and its files' name. */
  readonly name: string;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

export interface Options {
  readonly folder: string;
  readonly kms: readonly Holder[];
  readonly nodes: readonly Holder[];
  readonly days: number;
  readonly renew: boolean;
  readonly json: boolean;
}

const dnsName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/i;

function holder(text: string, option: string): Holder {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    if (isIP(name) === 0 && !dnsName.test(name)) {
      throw new UsageError(`${option}: ${JSON.stringify(name)} is no name and no IP address`);
    }
  }
  const [name = ""] = names;
  if (name === "ca") throw new UsageError(`${option}: "ca" is the authority's own`);
  return {
    name,
    dns: names.filter((one) => isIP(one) === 0),
    ip: names.filter((one) => isIP(one) !== 0),
  };
}

function parse(args: readonly string[]) {
  const many = { type: "string", multiple: true } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        km: many,
        node: many,
        days: { type: "string", default: "90" },
        renew: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  const [folder, ...rest] = positionals;
  if (folder === undefined) throw new UsageError("which folder? scripts/certificates DIR");
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  const days = /^\d{1,4}$/.test(values.days) ? Number(values.days) : 0;
  if (days < 1) throw new UsageError("--days: expected a whole number, 1 to 9999");
  const kms = (values.km ?? ["km,localhost,127.0.0.1"]).map((text) => holder(text, "--km"));
  const nodes = (values.node ?? ["node-alice", "node-bob"]).map((text) => holder(text, "--node"));
  const names = [...kms, ...nodes].map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`${twice} is there twice`);
  return { folder, kms, nodes, days, renew: values.renew, json: values.json };
}
