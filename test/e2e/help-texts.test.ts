/** What every program says when it is asked for help: that it can be asked, and that a terminal shows it unbroken. */
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { qkdNode, tooWide } from "../rig/cli.ts";
import { type Program, programPath } from "../rig/programs.ts";

const root = join(import.meta.dirname, "../..");

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Programs of the folder `scripts`: those without an ending. @returns command and arguments */
function programs(): [string, ...string[]][] {
  return readdirSync(join(root, "scripts"), { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.includes("."))
    .map(({ name }): [string] => [
      name.startsWith("qkd-") ? programPath(name as Program) : join(root, "scripts", name),
    ])
    .filter(([path]) => isExecutable(path));
}

/** Ours that npm runs: `npm start`, `npm run bench`. */
function npmScripts(): [string, ...string[]][] {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.values(scripts as Record<string, string>).flatMap((line) => {
    const file = /^node (?:--\S+ )*(\S+\.ts)$/.exec(line)?.[1];
    return file === undefined ? [] : [[process.execPath, join(root, file)] as [string, string]];
  });
}

test("every program has help, in lines of 80 columns", async (t) => {
  const all = [...programs(), ...npmScripts()];
  t.true(all.length > 25);
  // Some at a time: each is a process of its own.
  const left = [...all];
  const askAll = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [command, ...args] = next;
      const { code, out, err } = await qkdNode([...args, "--help"], {}, command);
      const name = next.join(" ");
      t.is(code, 0, `${name}: ${err}`);
      t.not(out, "", name);
      t.is(err, "", name);
      t.deepEqual(tooWide(out), [], name);
    }
  };
  await Promise.all([askAll(), askAll()]);
});

test("help is a command as well, and says which command it does not know", async (t) => {
  for (const name of ["qkd-km", "qkd-controller", "qkd-psk"] as const) {
    const ask = (...args: string[]) => qkdNode(args, {}, programPath(name));
    const { out } = await ask("--help");
    t.deepEqual(await ask("help"), { code: 0, out, err: "" });
    t.deepEqual(await ask("help", "check-config"), { code: 0, out, err: "" });
    const odd = await ask("help", "check-confg");
    t.is(odd.code, 64);
    const says = `${name}: no such command: check-confg; did you mean check-config?\n`;
    t.true(odd.err.startsWith(says), odd.err);
  }
});

test("a wrong command line of a program of options alone is told with its help, and no stack", async (t) => {
  for (const file of ["test/sim/main.ts", "test/sim/etsi014/main.ts", "scripts/mutants.ts"]) {
    const { code, out, err } = await qkdNode([join(root, file), "--wrong"], {}, process.execPath);
    t.is(code, 64, file);
    t.is(out, "", file);
    t.regex(err, /^Unknown option '--wrong'[\s\S]*\n\nnpm run /, file);
    t.notRegex(err, /\n\s+at /, file);
  }
});
