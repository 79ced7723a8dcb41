/** The suite for drivers, case by case, against a module on a bench that a program controls. */
import { describe, Fault } from "../../../src/base/errors.ts";
import type { Case } from "../cases/case.ts";
import { controlCases } from "../cases/control.ts";
import { custodyCases } from "../cases/custody.ts";
import { sessionCases } from "../cases/sessions.ts";
import { Observer } from "../observer.ts";
import { Broken, type Runnable } from "../run.ts";
import { checks } from "./checks.ts";
import type { Bench } from "./control.ts";

const caseMs = 60_000;

/** A short name for `--only`, from a title. */
function idOf(title: string): string {
  const words = title.toLowerCase().match(/[a-z]+/g) ?? [];
  return words
    .filter((word) => !["a", "the", "of", "is", "are", "and", "it", "in", "with"].includes(word))
    .slice(0, 3)
    .join("-");
}

/** A driver's faults are words about the module; another error is one of the suite. */
function asBroken(error: unknown): unknown {
  return error instanceof Fault ? new Broken(describe(error)) : error;
}

async function runCase(bench: Bench, body: Case["body"], note: (text: string) => void) {
  const specimen = await bench.open().catch((error) => {
    throw asBroken(error);
  });
  const observer = new Observer(specimen);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const what = `not over within ${caseMs / 1_000} s: something did not come`;
    timer = setTimeout(() => reject(new Broken(what)), caseMs);
  });
  try {
    await Promise.race([body(checks(note), specimen, observer), late]);
  } catch (error) {
    throw asBroken(error);
  } finally {
    clearTimeout(timer);
    await observer.close();
    await specimen.close();
  }
}

/** @param zeroize whether key may be destroyed by the command */
export function benchRunnables(bench: Bench, zeroize: boolean): Runnable[] {
  const destroys = ({ needs = [] }: Case) => needs.includes("zeroize");
  const cases = [...custodyCases, ...sessionCases, ...controlCases];
  // A module that was zeroized may be of no use to the others.
  return [...cases.filter((one) => !destroys(one)), ...cases.filter(destroys)].map(
    ({ title, needs = [], body }): Runnable => {
      const lack = needs.find((need) => bench.lacks.includes(need));
      const withheld = needs.includes("zeroize") && !zeroize;
      return {
        id: idOf(title),
        title,
        level: "must",
        skip: withheld
          ? "it destroys key (--zeroize)"
          : lack && `the control program cannot do it (${lack})`,
        run: (note) => runCase(bench, body, note),
      };
    },
  );
}
