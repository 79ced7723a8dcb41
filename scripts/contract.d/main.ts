/** `scripts/contract`: writes `contract/`, or with `--check` says whether it is up to date. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { guardOutput } from "../tool.ts";
import { asyncApi, page } from "./asyncapi.ts";
import { ckProto } from "./ck-proto.ts";
import { controllerSchemas } from "./controller-schemas.ts";
import { kmSchemas } from "./km-schemas.ts";
import { schemas } from "./schemas.ts";

const usage = `scripts/contract [--check]: the contract with managers, in contract/

Writes AsyncAPI 3, JSON Schemas and the page of topics from the code's own
tables. --check writes nothing, and says whether they are up to date.
Exit codes: 0, 1 something is out of date, 64 wrong command line, 74 the output
cannot be written.
`;

const folder = fileURLToPath(new URL("../../contract/", import.meta.url));

/** What belongs into `contract/`: file → text. */
export function contractFiles(): ReadonlyMap<string, string> {
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  const files = new Map([
    ["asyncapi.json", json(asyncApi())],
    ["README.md", page()],
    ["ck.proto", ckProto()],
  ]);
  for (const [name, schema] of Object.entries({ ...schemas, ...kmSchemas, ...controllerSchemas })) {
    const head = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      title: name,
    };
    files.set(`schemas/${name}.json`, json({ ...head, ...schema }));
  }
  return files;
}

function current(file: string): string | undefined {
  try {
    return readFileSync(folder + file, "utf8");
  } catch {
    return undefined;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  guardOutput("contract");
  const [word, ...more] = process.argv.slice(2);
  const files = [...contractFiles()];
  if (word === "--help" || word === "-h") {
    process.stdout.write(usage);
  } else if (more.length > 0 || (word !== undefined && word !== "--check")) {
    // Anything else would have it write, and a slip is no wish for that.
    process.stderr.write(usage);
    process.exitCode = 64;
  } else if (word === "--check") {
    const old = files.filter(([file, text]) => current(file) !== text).map(([file]) => file);
    for (const file of old) process.stdout.write(`contract/${file} is out of date\n`);
    process.exitCode = old.length === 0 ? 0 : 1;
  } else {
    mkdirSync(`${folder}schemas`, { recursive: true });
    for (const [file, text] of files) writeFileSync(folder + file, text);
  }
}
