/**
 * What every module driver must do, whatever its module: the promises of `drivers/README.md`, tried
 * through the port alone. A driver takes part by a {@link Specimen} and a test file of three lines.
 */
import anyTest, { type ExecutionContext, type TestFn } from "ava";
import { Fault } from "../../src/base/errors.ts";
import type { ModuleCommand } from "../../src/port/module.ts";
import { type Case, rejected } from "./cases/case.ts";
import { controlCases } from "./cases/control.ts";
import { custodyCases } from "./cases/custody.ts";
import { sessionCases } from "./cases/sessions.ts";
import { Observer } from "./observer.ts";
import type { Lack, Specimen } from "./specimen.ts";

const test = anyTest as TestFn;

/** The command that a module without the notion must be said to refuse. */
const refusedCommand: Partial<Record<Lack, ModuleCommand>> = {
  zeroize: { name: "zeroize" },
  start: { name: "stop" },
  rate: { name: "key_rate", bitsPerSecond: 1_000 },
};

/** @returns the test's body with a module and an observer around it */
function on(open: () => Promise<Specimen>, body: Case["body"]) {
  return async (t: ExecutionContext) => {
    const specimen = await open();
    const observer = new Observer(specimen);
    try {
      await body(t, specimen, observer);
    } finally {
      await observer.close();
      await specimen.close();
    }
  };
}

/**
 * Declares the tests.
 * @param open makes a module, plugged in and without a block; called for each test
 * @param lacks what the module has no notion of: its cases are left out, but a command for it must
 *   be refused in words
 */
export function conformance(open: () => Promise<Specimen>, lacks: readonly Lack[] = []): void {
  for (const { title, needs = [], body } of [...custodyCases, ...sessionCases, ...controlCases]) {
    if (!needs.some((need) => lacks.includes(need))) test.serial(title, on(open, body));
  }
  for (const lack of lacks) {
    const command = refusedCommand[lack];
    if (command === undefined) continue;
    const refuses: Case["body"] = async (t, _module, seen) => {
      const session = await seen.connect();
      const fault = await rejected(session.command(command));
      t.true(fault instanceof Fault);
      t.is((fault as Fault).code, "module.command");
    };
    test.serial(`${command.name} is refused: the module knows nothing of it`, on(open, refuses));
  }
}
