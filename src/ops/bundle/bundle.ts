/**
 * The support bundle: one file with what an expert elsewhere needs to understand a daemon. It holds no
 * key, no private key and no password.
 */
import { hash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { describe } from "../../base/errors.ts";
import { softwareVersion } from "../../base/version.ts";
import { tomlLines } from "../../host/config/toml.ts";
import type { Report } from "../doctor/finding.ts";
import type { LocalRequest, ReadName } from "../local/protocol.ts";
import { type Secret, withholdSecrets } from "./guard.ts";
import { scrub } from "./scrub.ts";
import { type Member, tar } from "./tar.ts";
import { type PastModule, telemetryCsv } from "./telemetry-csv.ts";

/** What a daemon is asked, by member: name, question, arguments. */
export type Questions = readonly (readonly [string, ReadName, LocalRequest["args"]])[];

/** What a daemon's bundles have that others' do not. */
export interface BundleKind {
  /** `node`, `km`, `controller`: whose it is, in its manifest. */
  readonly subject: string;
  readonly questions: Questions;
  /** Says what is in it. */
  readonly readme: string;
}

export interface Sources {
  readonly kind: BundleKind;
  /** Asks the daemon. @throws Error if it does not run */
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
  /** Names, sizes and times of the files of its state. */
  readonly stateFiles: () => unknown;
  /** What must not be in it. */
  readonly secrets: () => readonly Secret[];
  /** ms since 1970 UTC */
  readonly wall: number;
  readonly onStep?: (what: string, done: number) => void;
}

export interface Bundle {
  /** Whose it is. */
  readonly id: string;
  /** `ID-TIME.tar.gz` */
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

export async function makeBundle(sources: Sources): Promise<Bundle> {
  const { ask, kind, wall, onStep = () => {} } = sources;
  const { questions, readme, subject } = kind;
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
  add("log.txt", scrub(`${(log.lines ?? ["it does not run"]).join("\n")}\n`));
  const journal = await sources.journal();
  if (journal.length > 0) add("journal.txt", scrub(`${journal.join("\n")}\n`));
  json("state-files.json", await or(sources.stateFiles));
  onStep("doctor", 0.6);
  const report = await sources.examine();
  json("doctor.json", report);
  add("doctor.txt", `${sources.tell(report).join("\n")}\n`);

  onStep("checksums", 0.95);
  const id = report.node ?? report.km ?? report.controller ?? "unknown";
  return pack(subject, id, withholdSecrets(members, sources.secrets()), wall);
}

async function pack(
  subject: string,
  id: string,
  members: readonly Member[],
  wall: number,
): Promise<Bundle> {
  const made = new Date(wall).toISOString();
  const listed = members.map(({ name, bytes }) => {
    return { name, bytes: bytes.length, sha256: hash("sha256", bytes, "hex") };
  });
  const sums = listed.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");
  const manifest = { [subject]: id, made, software: softwareVersion, members: listed };
  const all = [
    { name: "manifest.json", bytes: Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`) },
    { name: "SHA256SUMS", bytes: Buffer.from(sums) },
    ...members,
  ];
  const stamp = made.replace(/[-:]|\.\d+/g, "");
  const folder = `${id}-${stamp}`.slice(0, 60);
  const inFolder = all.map(({ name, bytes }) => ({ name: `${folder}/${name}`, bytes }));
  const archive = await compress(tar(inFolder, wall / 1_000));
  return { id, name: `${folder}.tar.gz`, archive, members: listed };
}
