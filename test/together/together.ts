/**
 * Many small test files in one process. A process of its own costs a file a third of a second of a
 * processor: the runner and a tree of some hundred modules, for tests that take milliseconds. The files
 * stay as they are and run one after another, each with its own tests side by side, as they do alone.
 */
import { createRequire, registerHooks } from "node:module";
import { join, relative } from "node:path";
import test, { type ExecutionContext } from "ava";
import { tellCost } from "../worker.ts";
import { type Group, root, testsOf } from "./groups.ts";

type Chain = (...args: unknown[]) => unknown;

/** Whose tests are declared right now: `unit › km › store › stock`. */
let declaring = "";
/** The file of each test, by the test's title. */
const fileOf = new Map<string, string>();

type Body = (t: ExecutionContext, ...args: unknown[]) => unknown;

/** Less than the runner gives a file in which nothing ends: one test that waits for ever is not the end of all. */
const longestMs = 170_000;

function limited(body: Body): Body {
  return (t, ...args) => {
    t.timeout(longestMs);
    return body(t, ...args);
  };
}

/** The runner's `test`, which puts the file before the title; hooks before and after all stay as they are. */
function within(chain: Chain): Chain {
  return new Proxy(chain, {
    apply(target, _, [title, ...rest]: unknown[]) {
      if (typeof title !== "string")
        throw new Error(`${declaring}: a test needs a title of its own`);
      const whole = `${declaring} › ${title}`;
      fileOf.set(whole, declaring);
      const [body, ...others] = rest;
      return target(whole, typeof body === "function" ? limited(body as Body) : body, ...others);
    },
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === "before" || name === "after") return value;
      if (name === "skipIf" || name === "runIf") {
        return (condition: boolean) => within((value as (condition: boolean) => Chain)(condition));
      }
      if (name === "beforeEach" || name === "afterEach" || name === "macro") {
        throw new Error(`${declaring}: test.${name} is not for a file that shares its process`);
      }
      return typeof value === "function" ? within(value as Chain) : value;
    },
  });
}

/** What `import test from "ava"` is in the files of a group. */
export default within(test as unknown as Chain);

/** Tests that wait for their file's turn. */
const waiting: { readonly file: string; readonly begin: () => void }[] = [];
/** Whose turn it is, and the tests of it that run. */
let turn: string | undefined;
const running = new Set<string>();

function next(): void {
  if (running.size > 0) return;
  tellCost(turn ?? "files of a process that many share are loaded");
  turn = waiting[0]?.file;
  const own = waiting.filter(({ file }) => file === turn);
  for (const one of own) waiting.splice(waiting.indexOf(one), 1);
  for (const { begin } of own) begin();
}

const turnHook = "turn";
/** A hook's title is its own, and then the test's. */
const titleOf = (hook: string) => hook.slice(`${turnHook} for `.length);

/** Declares the tests of all files of the group. */
export function together(group: Group): void {
  // Where nothing is left that could wake the process, the runner gives up all tests that wait for their turn.
  const alive = setInterval(() => {}, 60_000);
  test.after.always("nothing is waited for any more", () => clearInterval(alive));
  test.beforeEach(turnHook, async (t) => {
    const title = titleOf(t.title);
    await new Promise<void>((resolve) => {
      const begin = () => {
        running.add(title);
        resolve();
      };
      waiting.push({ file: fileOf.get(title) ?? title, begin });
      // The runner begins all that run side by side in one turn of the event loop.
      setImmediate(next);
    });
  });
  test.afterEach.always(turnHook, (t) => {
    running.delete(titleOf(t.title));
    next();
  });
  // One that does not end is named; the runner knows only that its file is not over.
  process.prependOnceListener("SIGTERM", () => {
    for (const title of running) process.stderr.write(`does not end: ${title}\n`);
  });
  registerHooks({
    resolve: (specifier, context, resolveNext) =>
      specifier === "ava"
        ? { url: import.meta.url, shortCircuit: true }
        : resolveNext(specifier, context),
  });
  // Tests must be declared before the runner has its next turn: no `import()`.
  const require = createRequire(import.meta.url);
  for (const file of testsOf(group)) {
    declaring = relative(join(root, "test"), file)
      .replace(/\.test\.ts$/, "")
      .replaceAll("/", " › ");
    try {
      require(file);
    } catch (error) {
      const { message } = error as Error;
      test(`${declaring} can be loaded`, (t) =>
        t.fail(`${message}\nWhat must be alone is listed in groups.ts.`));
    }
  }
}
