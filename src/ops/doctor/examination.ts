/** How an examination goes, whatever is examined: is it running, and then one step after the other. */
import { describe } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { type Finding, skip } from "./finding.ts";

/** What is looked at, as a person is told meanwhile, and the look. */
export type Step = readonly [what: string, look: () => Promise<Finding[]> | Finding[]];

/** A daemon as it answered, or why it did not. */
export interface Looked<R> {
  readonly running: R | undefined;
  readonly why: string;
  /** It runs, and this user may not ask it. */
  readonly forbidden: boolean;
}

export async function lookAt<R>(look: () => Promise<R>): Promise<Looked<R>> {
  try {
    return { running: await look(), why: "", forbidden: false };
  } catch (error) {
    const why = error instanceof Error ? error.message : describe(error);
    const forbidden = (error as { exitCode?: unknown }).exitCode === exit.noPermission;
    return { running: undefined, why, forbidden };
  }
}

/** Where the configuration cannot be read. */
export const noConfiguration: Step = [
  "",
  () => [skip(["rest", "everything else"], "needs a configuration that can be read")],
];

/**
 * Takes the steps, and adds what they find to what was found before.
 * @param onStep called before each with what comes and how much is done, 0 to 1
 * @param passes whether a step has no use after what was found so far
 */
export async function takeSteps(
  steps: readonly Step[],
  found: readonly Finding[],
  onStep: (what: string, done: number) => void,
  passes: (what: string, found: readonly Finding[]) => boolean = () => false,
): Promise<Finding[]> {
  const checks = [...found];
  for (const [i, [what, look]] of steps.entries()) {
    onStep(what, i / steps.length);
    if (!passes(what, checks)) checks.push(...(await look()));
  }
  return checks;
}
