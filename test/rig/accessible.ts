/** What every page must be: usable by everybody, at any width, in light and dark. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ExecutionContext } from "ava";
import type { BrowserPage } from "./browser.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** A desk, a tablet, a telephone. */
const shapes = [
  [1_440, 900],
  [820, 1_180],
  [360, 740],
] as const;

interface Swept {
  readonly passes: number;
  readonly found: readonly { readonly id: string; readonly nodes: readonly string[] }[];
}

const sweep = `axe.run({ runOnly: ${JSON.stringify(rules)} }).then(({ passes, violations }) => ({
  passes: passes.length,
  found: violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => html + failureSummary) })),
}))`;

/** By WCAG 2.2 AA, and no wider than the screen; leaves the page as wide as on a desk. */
export async function isForEverybody(t: ExecutionContext, page: BrowserPage): Promise<void> {
  await page.evaluate(axe);
  for (const scheme of ["light", "dark"] as const) {
    for (const [width, height] of shapes) {
      await page.scheme(scheme);
      await page.shape(width, height, width < 500);
      const { passes, found } = await page.evaluate<Swept>(sweep);
      t.true(passes > 20, `${passes} rules hold`);
      t.deepEqual(found, [], `${scheme} ${width}`);
      const wide = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      t.true(wide <= 0, `${width}: ${wide} px wider than the screen`);
    }
  }
  await page.shape(1_280, 900);
}
