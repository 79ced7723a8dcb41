/** The checks of the suite's cases without a test framework: what fails is told in words, never with key. */
import { isDeepStrictEqual } from "node:util";
import type { Checks } from "../cases/case.ts";
import { Broken } from "../run.ts";

function shown(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

/** @param note takes what cases log */
export function checks(note: (text: string) => void): Checks {
  const must = (good: boolean, what: string | undefined, otherwise: string) => {
    if (!good) throw new Broken(what === undefined ? otherwise : `${what}: ${otherwise}`);
  };
  return {
    is: (a, b, what) => must(Object.is(a, b), what, `${shown(a)}, and not ${shown(b)}`),
    deepEqual: (a, b, what) =>
      must(isDeepStrictEqual(a, b), what, `${shown(a)}, and not ${shown(b)}`),
    true: (a, what) => must(a === true, what, "it is not so"),
    truthy: (a, what) => must(Boolean(a), what, "it is not there"),
    like(a, b, what) {
      const part = Object.fromEntries(
        Object.keys(b).map((name) => [name, (a as Record<string, unknown> | undefined)?.[name]]),
      );
      must(isDeepStrictEqual(part, b), what, `${shown(part)}, and not ${shown(b)}`);
    },
    regex: (a, b, what) => must(b.test(a), what, `${shown(a)} does not match ${b}`),
    pass: () => {},
    log: note,
  };
}
