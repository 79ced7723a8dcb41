/** What the documents say is to be typed is taken by the program, and each package has its line in the README. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "ava";
import * as certificates from "../../../scripts/certificates.d/options.ts";
import * as etsi014 from "../../../scripts/conform/etsi014-options.ts";
import * as km from "../../../scripts/conform/km-options.ts";
import * as module from "../../../scripts/conform/module-options.ts";
import * as demo from "../../../scripts/demo/options.ts";
import * as manager from "../../../scripts/manager.d/options.ts";
import { documents, root } from "../../documents.ts";
import { parseOptions } from "../../emulator/options.ts";

const read = (file: string) => readFileSync(join(root, file), "utf8");

/** How a program is called in the documents, and what reads its options. */
const programs: readonly (readonly [string, (args: string[]) => unknown])[] = [
  ["scripts/manager ", manager.readOptions],
  ["scripts/certificates ", certificates.readOptions],
  ["scripts/emulator ", parseOptions],
  ["npm start -- ", demo.readOptions],
  ["npm run conform:km -- ", km.readOptions],
  ["npm run conform:014 -- ", etsi014.readOptions],
  ["npm run conform:module -- ", module.readOptions],
];

/** Lines of blocks of code, those that go on in the next one in one. */
function typed(text: string): string[] {
  const blocks = [...text.matchAll(/^ *(?:\d\. )?```[^\n]*\n([\s\S]*?)\n *```$/gm)];
  return blocks.flatMap(([, block = ""]) =>
    block
      .replaceAll(/\\\n\s*/g, "")
      .split("\n")
      .map((line) => line.trim()),
  );
}

/** As a shell takes them, without what is a comment or goes on behind the command. */
function words(line: string): string[] {
  const [command = ""] = line.split(/\s#|\s&|\s\|\s|;\s/);
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );
}

test("each command in a block of the documents is one that its program takes", (t) => {
  let seen = 0;
  for (const file of documents()) {
    for (const line of typed(read(file))) {
      const [start, readOptions] = programs.find(([name]) => line.startsWith(name)) ?? [];
      if (start === undefined || readOptions === undefined) continue;
      seen++;
      try {
        readOptions(words(line.slice(start.length)));
      } catch (error) {
        const { message } = error as Error;
        // Files that it names need not be here.
        if (/is not there$/.test(message)) continue;
        const { name } = (error as Error).constructor;
        t.not(name, "UsageError", `${file}: ${line}: ${message}`);
      }
    }
  }
  t.true(seen > 20, String(seen));
});

test("a document that is named in a sample is there", (t) => {
  for (const file of documents()) {
    for (const line of typed(read(file))) {
      for (const [path] of line.matchAll(/(?:\.\.\/)+[\w./-]+\.md/g)) {
        t.true(existsSync(join(root, dirname(file), path)), `${file}: ${line}`);
      }
    }
  }
});

test("each package has a line in the README that says why", (t) => {
  const { dependencies, devDependencies } = JSON.parse(read("package.json"));
  const [, part = ""] = read("README.md").split("\n## Dependencies\n");
  const [told = ""] = part.split("\n## ");
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    t.true(told.includes(`\`${name}\``), name);
  }
});
