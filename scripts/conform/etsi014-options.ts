/** The command line of `npm run conform:014`. */
import {
  answerMsOf,
  instead,
  read,
  type Telling,
  tellingOf,
  text,
  typed,
  UsageError,
} from "./program.ts";

export const usage = `npm run conform:014 -- --url URL --slave-url URL [options]:
does this key manager keep ETSI GS QKD 014?

Asks two KMEs for keys as applications (SAEs) do, and as none should, and says
what of the standard they got wrong. A case is a line; the last line counts.
It takes a few hundred keys: take SAEs for tests.

  --url URL             the master SAE's KME: https://kme-a.example:8443
  --slave-url URL       the slave SAE's KME, at the other end of a link
  --endpoints FILE      what \`npm start -- --endpoints FILE\` wrote; instead of
                        both and of all certificates
  --ca FILE             who issued the KMEs' certificates, PEM
  --cert FILE, --key FILE, --sae-id ID
                        the master SAE: certificate, private key, SAE ID
  --slave-cert FILE, --slave-key FILE, --slave-sae-id ID
                        the slave SAE; each may be the other's master
  --slave-ca FILE       who issued the slave's KME's certificate (--ca)
  --server-name NAME, --slave-server-name NAME
                        the name in the KME's certificate (the URL's)
  --third-cert FILE, --third-key FILE, --third-sae-id ID
                        another SAE of the slave's KME that may share keys with
                        the master: keys for others, keys for several
  --stranger-cert FILE, --stranger-key FILE
                        a certificate of that CA that is no SAE's
  --answer-timeout S    an answer must come within this time (20)
  --only ID             this case only; may be repeated
  --list                print the cases, and the dialects that are tolerated
  --strict              what a KME should do it must do; no dialect is tolerated
  --json                one JSON object instead of lines
  --help

Exit codes: 0 the KMEs do all they must, 1 they do not, 64 wrong command line,
66 a file cannot be used, 69 a KME cannot be reached, 74 the output cannot be
written.
`;

/** An application by its files. */
export interface SaeFiles {
  readonly id: string;
  readonly cert: string;
  readonly key: string;
}

/** A KME by its URL. */
export interface KmeAt {
  readonly host: string;
  readonly port: number;
  readonly prefix: string;
  readonly serverName: string;
  /** Path of a PEM file. */
  readonly ca: string;
}

export interface Etsi014Options extends Telling {
  readonly kme: KmeAt;
  readonly slaveKme: KmeAt;
  readonly master: SaeFiles;
  readonly slave: SaeFiles;
  readonly third: SaeFiles | undefined;
  readonly stranger: Omit<SaeFiles, "id"> | undefined;
  readonly answerMs: number;
}

const options = {
  url: text,
  "slave-url": text,
  endpoints: text,
  ca: text,
  "slave-ca": text,
  "server-name": text,
  "slave-server-name": text,
  cert: text,
  key: text,
  "sae-id": text,
  "slave-cert": text,
  "slave-key": text,
  "slave-sae-id": text,
  "third-cert": text,
  "third-key": text,
  "third-sae-id": text,
  "stranger-cert": text,
  "stranger-key": text,
  "answer-timeout": text,
} as const;

type Values = ReturnType<typeof typed<typeof options>>;
type Named = {
  [Name in keyof Values]-?: Values[Name] extends string | undefined ? Name : never;
}[keyof Values];

function needed(values: Values, name: Named): string {
  const value = values[name];
  if (value === undefined || value === "") throw new UsageError(`--${name} is needed`);
  return value;
}

function kmeAt(values: Values, of: "" | "slave-"): KmeAt {
  const name = `${of}url` as const;
  const url = urlOf(needed(values, name), `--${name}`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return {
    host,
    port: url.port === "" ? 443 : Number(url.port),
    // As applications are told it: with the standard's path, or without.
    prefix: url.pathname.replace(/(?:\/api\/v1\/keys)?\/*$/, ""),
    serverName: values[`${of}server-name`] ?? host,
    ca: values[`${of}ca`] ?? needed(values, "ca"),
  };
}

/** @param where it is written */
function urlOf(written: string, where: string): URL {
  const url = URL.parse(written);
  if (url?.protocol !== "https:" || url.search !== "" || url.hash !== "" || url.username !== "") {
    throw new UsageError(`${where}: expected https://HOST:PORT, not ${JSON.stringify(written)}`);
  }
  return url;
}

type Parties = Pick<Etsi014Options, "kme" | "slaveKme" | "master" | "slave" | "third" | "stranger">;

/** KMEs and SAEs as `npm start` writes them: the first two that are at different KMEs, and one more of the second. */
function partiesOf(file: string): Parties {
  const wrong = () => new UsageError(`--endpoints: ${file} is not what npm start writes`);
  let told: {
    kms?: Record<string, { url: string; ca: string }>;
    saes?: Record<string, EndpointSae>;
  };
  try {
    told = JSON.parse(read(file));
  } catch (error) {
    throw error instanceof SyntaxError ? wrong() : error;
  }
  const saes = Object.values(told.saes ?? {});
  const [master] = saes;
  const slave = saes.find(({ km }) => km !== master?.km);
  const third = saes.find((one) => one.km === slave?.km && one !== slave);
  const at = (sae: EndpointSae | undefined): KmeAt => {
    const kme = told.kms?.[sae?.km ?? ""];
    if (kme === undefined) throw wrong();
    const url = urlOf(kme.url, `--endpoints: ${file}`);
    const { hostname: host, port } = url;
    return { host, port: Number(port), prefix: "", serverName: host, ca: kme.ca };
  };
  const filesOf = ({ sae_id: id, cert, key }: EndpointSae): SaeFiles => ({ id, cert, key });
  if (master === undefined || slave === undefined) throw wrong();
  return {
    kme: at(master),
    slaveKme: at(slave),
    master: filesOf(master),
    slave: filesOf(slave),
    third: third && filesOf(third),
    stranger: undefined,
  };
}

interface EndpointSae {
  readonly km: string;
  readonly cert: string;
  readonly key: string;
  readonly sae_id: string;
}

function typedParties(values: Values): Parties {
  const isAny = (...names: Named[]) => names.some((name) => values[name] !== undefined);
  return {
    kme: kmeAt(values, ""),
    slaveKme: kmeAt(values, "slave-"),
    master: saeOf(values, ""),
    slave: saeOf(values, "slave-"),
    third: isAny("third-sae-id", "third-cert", "third-key") ? saeOf(values, "third-") : undefined,
    stranger: isAny("stranger-cert", "stranger-key")
      ? { cert: needed(values, "stranger-cert"), key: needed(values, "stranger-key") }
      : undefined,
  };
}

function saeOf(values: Values, of: "" | "slave-" | "third-"): SaeFiles {
  return {
    id: needed(values, `${of}sae-id`),
    cert: needed(values, `${of}cert`),
    key: needed(values, `${of}key`),
  };
}

/** @throws UsageError */
export function readOptions(args: readonly string[]): Etsi014Options | "help" | "list" {
  const values = typed(args, options);
  const other = instead(values);
  if (other !== undefined) return other;
  const { endpoints } = values;
  if (endpoints !== undefined && (values.url ?? values["slave-url"]) !== undefined) {
    throw new UsageError("--endpoints goes without --url and --slave-url");
  }
  return {
    ...(endpoints === undefined ? typedParties(values) : partiesOf(endpoints)),
    answerMs: answerMsOf(values["answer-timeout"], 20),
    ...tellingOf(values),
  };
}
