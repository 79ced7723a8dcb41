/** `npm run conform:014`: the suite for KMEs against two of your own. */
import { dialects } from "../../test/conformance/kme/dialects.ts";
import { Connection } from "../../test/conformance/kme/http.ts";
import { casesFor, kmeCases } from "../../test/conformance/kme/suite.ts";
import type { Door, Sae, Target } from "../../test/conformance/kme/target.ts";
import { wrap } from "../../test/conformance/run.ts";
import {
  type Etsi014Options,
  type KmeAt,
  readOptions,
  type SaeFiles,
  usage,
} from "./etsi014-options.ts";
import { exit, picked, program, reach, read, say, tell } from "./program.ts";

const doorOf = ({ ca, ...kme }: KmeAt): Door => ({ ...kme, ca: read(ca) });

function saeOf({ id, cert, key }: SaeFiles, door: Door): Sae {
  return { id, cert: read(cert), key: read(key), door };
}

function targetOf(options: Etsi014Options): Target {
  const { master, slave, third, stranger, answerMs, strict } = options;
  const there = doorOf(options.slaveKme);
  return {
    master: saeOf(master, doorOf(options.kme)),
    slave: saeOf(slave, there),
    ...(third !== undefined && { third: saeOf(third, there) }),
    ...(stranger !== undefined && {
      stranger: { cert: read(stranger.cert), key: read(stranger.key) },
    }),
    answerMs,
    tolerated: new Set(strict ? [] : dialects.map(({ id }) => id)),
  };
}

/** A line of a list, cut to 80 columns. */
function row(id: string, level: string, text: string): void {
  say(`${id.padEnd(22)} ${level.padEnd(6)} ${wrap(text, 50, " ".repeat(30))}`);
}

function list(): number {
  for (const { id, clause, title, level = "must" } of kmeCases) {
    row(id, level, `${title} (${clause})`);
  }
  say("\nDialects, tolerated but with --strict:");
  for (const { id, standard, seen } of dialects) row(id, "", `${standard}; seen is ${seen}`);
  return exit.ok;
}

await program("conform:014", async () => {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(usage);
    return exit.ok;
  }
  if (options === "list") return list();
  const target = targetOf(options);
  const cases = picked(casesFor(target), options);
  for (const { door, cert, key } of [target.master, target.slave]) {
    await reach(async () => (await Connection.open(door, { cert, key }, target.answerMs)).socket);
  }
  const [one, other] = [options.kme, options.slaveKme].map(({ host, port }) => `${host}:${port}`);
  return tell(`KMEs at ${one} and ${other}`, cases, options);
});
