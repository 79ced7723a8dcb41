/**
 * The support bundle: one file with what an expert elsewhere needs to understand a node. It holds no
 * key, no private key and no password.
 */
import { hash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { describe } from "../../base/errors.ts";
import { softwareVersion } from "../../base/version.ts";
import { tomlLines } from "../../host/config/toml.ts";
import { type Secret, withholdSecrets } from "../../ops/bundle/guard.ts";
import { scrub } from "../../ops/bundle/scrub.ts";
import { type Member, tar } from "../../ops/bundle/tar.ts";
import { type PastModule, telemetryCsv } from "../../ops/bundle/telemetry-csv.ts";
import type { LocalRequest, ReadName } from "../../ops/local/protocol.ts";
import type { Report } from "../doctor/finding.ts";

export interface Sources {
  /** Asks the node. @throws Error if it does not run */
  readonly ask: (name: ReadName, args?: LocalRequest["args"]) => Promise<unknown>;
  /** The configuration file's table, redacted. @throws Error if it cannot be read */
  readonly configuration: () => unknown;
  readonly examine: () => Promise<Report>;
  /** The report as lines for a person. */
  readonly tell: (report: Report) => readonly string[];
  /** Lines of the journal; empty where there is none. */
  readonly journal: () => Promise<readonly string[]>;
  /** The machine and what runs on it. */
  readonly machine: () => unknown;
  /** Names, sizes and times of the files of the node's state. */
  readonly stateFiles: () => unknown;
  /** What must not be in it. */
  readonly secrets: () => readonly Secret[];
  /** ms since 1970 UTC */
  readonly wall: number;
  readonly onStep?: (what: string, done: number) => void;
}

export interface Bundle {
  readonly node: string;
  /** `NODE-TIME.tar.gz` */
  readonly name: string;
  readonly archive: Buffer;
  readonly members: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly sha256: string;
  }[];
}

const compress = promisify(gzip);
/** A member is cut there, bytes. */
const longest = 4_194_304;

/** What the node is asked, by member. */
const questions: readonly (readonly [string, ReadName, LocalRequest["args"]])[] = [
  ["status.json", "status", {}],
  ["keys.json", "keys", {}],
  ["kept.json", "kept", {}],
  ["links.json", "links", {}],
  ["telemetry.json", "telemetry", {}],
  ["alarms.json", "alarms", {}],
  ["alarm-history.json", "events", { alarms: true, n: 1_024 }],
  ["events.json", "events", { n: 1_024 }],
  ["certificates.json", "certs", {}],
  ["running-configuration.json", "config", {}],
];

const readme = `A support bundle of a qkd-node. It holds no key, no private key and no password.
Checksums: sha256sum -c SHA256SUMS

manifest.json              what is in it, and of which node
versions.json              software, and the machine
status.json, keys.json     the node's answers; {"unavailable": …} if it did not run
kept.json                  what is kept back from the KMs, and why
links.json, telemetry.json
alarms.json                what is raised; alarm-history.json: what came and went
events.json                what happened since the node started
certificates.json          whose, from which CA, until when
running-configuration.json what the node runs with
configuration.toml         what its file says; both without what may be a secret
telemetry/MODULE-hour.csv  figures of the last hour, and of the last day
doctor.txt, doctor.json    what the doctor found
log.txt, journal.txt       the node's log, from its memory and from the journal
state-files.json           files of the node's state: names, sizes, times
`;

export async function makeBundle(sources: Sources): Promise<Bundle> {
  const { ask, wall, onStep = () => {} } = sources;
  const members: Member[] = [];
  const add = (name: string, text: string) => {
    members.push({ name, bytes: Buffer.from(text).subarray(0, longest) });
  };
  const json = (name: string, value: unknown) => add(name, `${JSON.stringify(value, null, 1)}\n`);
  const or = async (make: () => unknown): Promise<unknown> => {
    try {
      return await make();
    } catch (error) {
      return { unavailable: error instanceof Error ? scrub(error.message) : describe(error) };
    }
  };

  add("README.txt", readme);
  json("versions.json", { software: softwareVersion, ...(sources.machine() as object) });
  for (const [i, [name, question, args]] of questions.entries()) {
    onStep(question, (i / questions.length) * 0.3);
    json(name, await or(() => ask(question, args)));
  }
  onStep("telemetry of the last day", 0.3);
  const past = (await or(() => ask("history"))) as { modules?: readonly PastModule[] };
  for (const module of past.modules ?? []) {
    for (const [name, text] of telemetryCsv(module)) add(name, text);
  }
  onStep("configuration", 0.4);
  const table = await or(sources.configuration);
  add("configuration.toml", `${tomlLines(table).join("\n")}\n`);
  onStep("logs", 0.45);
  const log = (await or(() => ask("logs", { n: 2_000 }))) as { lines?: readonly string[] };
  add("log.txt", scrub(`${(log.lines ?? ["the node does not run"]).join("\n")}\n`));
  const journal = await sources.journal();
  if (journal.length > 0) add("journal.txt", scrub(`${journal.join("\n")}\n`));
  json("state-files.json", await or(sources.stateFiles));
  onStep("doctor", 0.6);
  const report = await sources.examine();
  json("doctor.json", report);
  add("doctor.txt", `${sources.tell(report).join("\n")}\n`);

  onStep("checksums", 0.95);
  const node = report.node ?? "unknown";
  return pack(node, withholdSecrets(members, sources.secrets()), wall);
}

async function pack(node: string, members: readonly Member[], wall: number): Promise<Bundle> {
  const made = new Date(wall).toISOString();
  const listed = members.map(({ name, bytes }) => {
    return { name, bytes: bytes.length, sha256: hash("sha256", bytes, "hex") };
  });
  const sums = listed.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");
  const manifest = { node, made, software: softwareVersion, members: listed };
  const all = [
    { name: "manifest.json", bytes: Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`) },
    { name: "SHA256SUMS", bytes: Buffer.from(sums) },
    ...members,
  ];
  const stamp = made.replace(/[-:]|\.\d+/g, "");
  const folder = `${node}-${stamp}`.slice(0, 60);
  const inFolder = all.map(({ name, bytes }) => ({ name: `${folder}/${name}`, bytes }));
  const archive = await compress(tar(inFolder, wall / 1_000));
  return { node, name: `${folder}.tar.gz`, archive, members: listed };
}
