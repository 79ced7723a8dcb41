/** `npm run conform:km`: the suite for KMs against a KM of your own. */
import { casesFor, kmCases } from "../../test/conformance/km/suite.ts";
import type { Target } from "../../test/conformance/km/target.ts";
import { dial } from "../../test/conformance/km/tcp.ts";
import { type KmOptions, readOptions, usage } from "./km-options.ts";
import { exit, picked, program, reach, read, say, tell } from "./program.ts";
import { restartBy } from "./restart.ts";

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

await program("conform:km", async () => {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(usage);
    return exit.ok;
  }
  if (options === "list") {
    for (const { id, title, level = "must", binding = "both" } of kmCases) {
      say(`${id.padEnd(18)} ${level.padEnd(6)} ${binding.padEnd(5)} ${title}`);
    }
    return exit.ok;
  }
  const target = targetOf(options);
  const cases = picked(casesFor(target), options);
  await reach(() => dial(target));
  const { host, port, binding } = options;
  return tell(`KM at ${host} port ${port}, ${binding.toUpperCase()}`, cases, options);
});
