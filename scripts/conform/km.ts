/** `npm run conform:km`: the suite for KMs against a KM of your own. */
import { readFileSync } from "node:fs";
import { describe } from "../../src/base/errors.ts";
import { casesFor, kmCases } from "../../test/conformance/km/suite.ts";
import type { Target } from "../../test/conformance/km/target.ts";
import { dial } from "../../test/conformance/km/tcp.ts";
import { Broken, resultText, runAll, summaryText } from "../../test/conformance/run.ts";
import { type KmOptions, readOptions, UsageError, usage } from "./km-options.ts";
import { restartBy } from "./restart.ts";

/** Of sysexits.h, but for 1. */
const exit = { ok: 0, broken: 1, usage: 64, noInput: 66, unavailable: 69, internal: 70 } as const;

const say = (text: string) => process.stdout.write(`${text}\n`);
const complain = (text: string) => process.stderr.write(`conform:km: ${text}\n`);

class FileError extends Error {}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new FileError(describe(error));
  }
}

function targetOf(options: KmOptions): Target {
  const { host, port, files, restart, path, moduleId, matchingModuleId } = options;
  return {
    host,
    port,
    binding: options.binding,
    serverName: options.serverName,
    ...(files !== undefined && {
      tls: { ca: read(files.ca), cert: read(files.cert), key: read(files.key) },
    }),
    path: path
      .replaceAll("{qkd_module_ID}", encodeURIComponent(moduleId))
      .replaceAll("{matching_qkd_module_ID}", encodeURIComponent(matchingModuleId)),
    moduleId,
    matchingModuleId,
    answerMs: options.answerMs,
    ...(restart !== undefined && { restart: restartBy(restart, host, port) }),
  };
}

/** What is behind the usual codes of a connection that fails. */
const advice: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there: does the KM run, and on this port?",
  ENOTFOUND: "no address is known for this name",
  EAI_AGAIN: "the name server does not answer",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the KM's certificate has another name: --server-name says which it should have",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the KM's certificate is not from the CA of --ca",
  SELF_SIGNED_CERT_IN_CHAIN: "the KM's certificate is not from the CA of --ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the KM's certificate is not from the CA of --ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the KM's certificate is not from the CA of --ca",
  CERT_HAS_EXPIRED: "the KM's certificate has expired",
  EPROTO: "what answers does not speak TLS 1.3",
};

/** @throws Broken with what may help */
async function reach(target: Target): Promise<void> {
  try {
    (await dial(target)).destroy();
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const code = /[A-Z][A-Z0-9_]+$/.exec(error.message)?.[0] ?? "";
    const hint = advice[code];
    throw new Broken(hint === undefined ? error.message : `${error.message}: ${hint}`);
  }
}

async function run(options: KmOptions): Promise<number> {
  const target = targetOf(options);
  const known = casesFor(target);
  const unknown = options.only.find((id) => !known.some((one) => one.id === id));
  if (unknown !== undefined) throw new UsageError(`--only: there is no case ${unknown}`);
  await reach(target);
  const cases = known
    .filter(({ id }) => options.only.length === 0 || options.only.includes(id))
    .map((one) => (options.strict ? { ...one, level: "must" as const } : one));
  const subject = `KM at ${options.host} port ${options.port}, ${options.binding.toUpperCase()}`;
  const report = await runAll(subject, cases, (result) => {
    if (!options.json) say(resultText(result));
  });
  say(options.json ? JSON.stringify(report) : `\n${summaryText(report)}`);
  return report.failed > 0 ? exit.broken : exit.ok;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (options === "help") process.stdout.write(usage);
    else if (options === "list") {
      for (const { id, title, level = "must", binding = "both" } of kmCases) {
        say(`${id.padEnd(18)} ${level.padEnd(6)} ${binding.padEnd(5)} ${title}`);
      }
    } else return await run(options);
    return exit.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message} (npm run conform:km -- --help tells more)`);
      return exit.usage;
    }
    if (error instanceof FileError) {
      complain(error.message);
      return exit.noInput;
    }
    complain(error instanceof Broken ? error.message : describe(error));
    return error instanceof Broken ? exit.unavailable : exit.internal;
  }
}

const code = await main(process.argv.slice(2));
// Connections of a KM that hangs keep the program no longer.
process.stdout.write("", () => process.exit(code));
