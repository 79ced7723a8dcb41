/** The command line of `npm run conform:km`. */
import type { Binding } from "../../test/conformance/km/target.ts";
import {
  answerMsOf,
  flag,
  instead,
  type Telling,
  tellingOf,
  text,
  typed,
  UsageError,
} from "./program.ts";
import { readAddress } from "./usage.ts";

export const usage = `npm run conform:km -- --km HOST:PORT [options]
does this KM keep its part of Kq-1?

Supplies keys as a node does, and as no node should, over TCP or HTTPS, and says
what of it the KM got wrong. A case is a line; the last line counts.
The KM gets some 5,000 random keys of no use: take one for tests.

  --km HOST:PORT        where it listens
  --certificates DIR    what scripts/certificates made; instead of the next
                        three
  --ca FILE             who issued the KM's certificate, PEM
  --cert FILE, --key FILE
                        what the suite shows: a node's certificate and its key
  --node NAME           whose of --certificates (node-alice)
  --server-name NAME    the name in the KM's certificate (HOST)
  --plain               TCP without TLS
  --https               Kq-1 over HTTPS (Annex B) instead of TCP
  --path TEMPLATE       of HTTPS
                        (/api/v1/keys/{matching_qkd_module_ID}/store_key)
  --module ID, --matching ID
                        module IDs that the KM knows (QKD-A-0001, QKD-B-0001)
  --restart COMMAND     restarts the KM, which keeps what it has stored: run by
                        sh, and over when the KM listens again; \`ask\`: a
                        person does it
  --answer-timeout S    an answer must come within this time (10)
  --only ID             this case only; may be repeated
  --list                print the cases and end
  --strict              what a KM should do is what it must do
  --json                one JSON object instead of lines
  --help

Exit codes: 0 the KM does all it must, 1 it does not, 64 wrong command line,
66 a file cannot be used, 69 the KM cannot be reached, 74 the output cannot be
written.
`;

export interface KmOptions extends Telling {
  readonly host: string;
  readonly port: number;
  readonly binding: Binding;
  readonly serverName: string;
  /** Paths of PEM files; undefined: without TLS. */
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
  readonly path: string;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  readonly restart: string | undefined;
  readonly answerMs: number;
}

const options = {
  km: text,
  certificates: text,
  ca: text,
  cert: text,
  key: text,
  node: text,
  "server-name": text,
  plain: flag,
  https: flag,
  path: text,
  module: text,
  matching: text,
  restart: text,
  "answer-timeout": text,
} as const;

type Values = ReturnType<typeof typed<typeof options>>;

function filesOf({ plain, certificates, ca, cert, key, node }: Values): KmOptions["files"] {
  const named = [ca, cert, key].filter((one) => one !== undefined).length;
  if (plain) {
    if (certificates !== undefined || named > 0) {
      throw new UsageError("--plain goes without certificates");
    }
    return undefined;
  }
  if (certificates !== undefined) {
    if (named > 0) throw new UsageError("--certificates goes without --ca, --cert and --key");
    const own = `${certificates}/${node ?? "node-alice"}`;
    return { ca: `${certificates}/ca.crt`, cert: `${own}.crt`, key: `${own}.key` };
  }
  if (ca === undefined || cert === undefined || key === undefined) {
    throw new UsageError("--certificates is needed, or --ca, --cert and --key, or --plain");
  }
  return { ca, cert, key };
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): KmOptions | "help" | "list" {
  const values = typed(args, options);
  const other = instead(values);
  if (other !== undefined) return other;
  if (values.km === undefined) throw new UsageError("--km HOST:PORT is needed");
  if (values.https && values.plain) throw new UsageError("--https goes without --plain");
  const { host, port } = readAddress(values.km, "--km");
  return {
    host,
    port,
    binding: values.https ? "https" : "tcp",
    serverName: values["server-name"] ?? host,
    files: filesOf(values),
    path: values.path ?? "/api/v1/keys/{matching_qkd_module_ID}/store_key",
    moduleId: values.module ?? "QKD-A-0001",
    matchingModuleId: values.matching ?? "QKD-B-0001",
    restart: values.restart,
    answerMs: answerMsOf(values["answer-timeout"], 10),
    ...tellingOf(values),
  };
}
