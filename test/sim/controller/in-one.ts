/** A computation in slices, to its end. */
import type { Work } from "../../../src/controller/routing/simplex.ts";

/** @param begin the computation, which goes on as long as there is work left */
export function inOne<T>(begin: (work: Work) => Generator<undefined, T>): T {
  const work: Work = { left: 0 };
  const steps = begin(work);
  for (;;) {
    work.left = 1e9;
    const { done, value } = steps.next();
    if (done) return value;
  }
}
