/** `scripts/km`: the test KM as a program. Keys are listed on standard output, the log goes to
 * standard error. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { guardOutput } from "../../../scripts/tool.ts";
import { describe } from "../../../src/base/errors.ts";
import { createLog } from "../../../src/base/log.ts";
import { type CliOptions, readOptions, UsageError, usage } from "./options.ts";
import { KeyManager, type TlsMaterial } from "./server.ts";
import type { StoredKey } from "./store.ts";

/** Of sysexits.h. */
const exitCodes = { ok: 0, usage: 64, noInput: 66, unavailable: 69 } as const;

const print = (line: string) => process.stdout.write(`${line}\n`);
const complain = (line: string) => process.stderr.write(`km: ${line}\n`);

/** A peer's text on one line, whatever is in it. */
function tidy(name: string): string {
  return /^[\w.:/@+-]+$/.test(name) ? name : JSON.stringify(name);
}

function keyLine({ id, bits, moduleId, qber }: StoredKey): string {
  const quality = qber === undefined ? "QBER unknown" : `QBER ${(qber * 100).toFixed(2)} %`;
  return `${id}  ${bits} bit  ${tidy(moduleId)}  ${quality}`;
}

function keyJson({ id, bits, moduleId, matchingModuleId, qber, sequence }: StoredKey): string {
  return JSON.stringify({
    event: "stored",
    key_ID: id,
    bits,
    module: moduleId,
    matching_module: matchingModuleId,
    qber,
    sequence,
  });
}

/** Responses other than `success`, by reason. */
function refusals(km: KeyManager): [string, number][] {
  return Object.entries(km.counts.answers).filter(([reason, n]) => reason !== "success" && n > 0);
}

function summaryLine(km: KeyManager): string {
  const { keys, bits, repeats } = km.store.summary();
  const refused = refusals(km).map(([reason, n]) => `, ${n} × ${reason}`);
  const { refusedHandshakes } = km.counts;
  return `${keys} keys, ${bits} bit, ${repeats} repeats${refused.join("")}, ${refusedHandshakes} handshakes refused`;
}

function summaryJson(km: KeyManager): string {
  const { connections, refusedHandshakes } = km.counts;
  return JSON.stringify({
    event: "summary",
    ...km.store.summary(),
    refused: Object.fromEntries(refusals(km)),
    connections,
    refused_handshakes: refusedHandshakes,
  });
}

/** A file that the command line names can't be read. */
class InputError extends Error {}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InputError(describe(error));
  }
}

function load(security: CliOptions["security"]): TlsMaterial | "plain" {
  if (security === "plain") return security;
  return { cert: read(security.cert), key: read(security.key), ca: read(security.ca) };
}

/** Aborted when the program is told to end; a second signal ends it the hard way. */
function told(): AbortSignal {
  const end = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => end.abort());
  // Whoever read the lines is gone.
  process.stdout.on("error", () => end.abort());
  return end.signal;
}

async function run(options: CliOptions): Promise<void> {
  const km = new KeyManager({
    security: load(options.security),
    binding: options.binding,
    policy: options.modules === undefined ? {} : { modules: options.modules },
    log: createLog((line) => process.stderr.write(`${line}\n`), "info").child("km"),
  });
  for (const behaviour of options.behaviours) km.behave(behaviour);
  km.on("stored", (key) => print(options.json ? keyJson(key) : keyLine(key)));

  const signal = told();
  const port = await km.listen(options);
  const how = options.security === "plain" ? "plain TCP, no TLS" : "TLS 1.3";
  complain(`listening on ${options.host} port ${port} (${how})`);

  const { requestEvery, asked } = options;
  // What is asked for next. Until it was answered it is asked for again under the same name, also over
  // another connection; a KM that starts anew knows nothing of it, and draws another.
  let wish: string | undefined;
  const timer =
    requestEvery &&
    setInterval(() => {
      wish ??= randomUUID();
      void km.request(asked, wish).then(
        ({ response, ids }) => {
          if (response !== "busy") wish = undefined;
          if (ids.length === 0) complain(`no keys: ${response}`);
        },
        // Without a node there is nobody to ask.
        () => {},
      );
    }, requestEvery);

  await km.holding(options.count ?? Number.POSITIVE_INFINITY, signal).catch(() => undefined);
  clearInterval(timer);
  await km.stop();
  print(options.json ? summaryJson(km) : summaryLine(km));
  await km.close();
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (options === "help") {
      guardOutput("km");
      process.stdout.write(usage);
    } else await run(options);
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message} (scripts/km --help tells more)`);
      return exitCodes.usage;
    }
    if (error instanceof InputError) {
      complain(error.message);
      return exitCodes.noInput;
    }
    complain(describe(error));
    return exitCodes.unavailable;
  }
}

process.exitCode = await main(process.argv.slice(2));
