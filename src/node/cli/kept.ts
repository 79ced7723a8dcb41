/** `qkd-node kept`: what is kept back from the KM, and why. */
import { exit } from "../../base/exit-codes.ts";
import { table } from "../../host/terminal/table.ts";
import { type Paint, tidy } from "../../host/terminal/terminal.ts";
import type { Kept } from "../../ops/cli/shapes.ts";
import { keptLines } from "../../ops/doctor/health.ts";
import type { Context } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const [module] = context.positionals;
  const args = module === undefined ? {} : { module };
  const answer = await context.ask<Kept>("kept", args);
  const { paint, width } = context.terminal;
  const rows = answer.modules.flatMap(({ module: name, kept }) =>
    kept.map(({ block, key_ID, why, reason }) => [
      tidy(name),
      tidy(key_ID ?? block),
      paint.warn(why),
      tidy(reason ?? ""),
    ]),
  );
  context.print(answer, () =>
    rows.length === 0
      ? [paint.good("nothing is kept back")]
      : [
          ...summary(answer, paint, width),
          ...table(
            [{ title: "MODULE" }, { title: "KEY OR BLOCK" }, { title: "" }, { title: "REASON" }],
            rows,
            width,
          ),
        ],
  );
  return exit.ok;
}

/** How much it is in all, by what for: the list may be long, and ends at its 1,000th entry. */
function summary({ modules }: Kept, paint: Paint, width: number): string[] {
  const named = modules.map(({ module, counts }) => ({ name: module, kept_back: counts ?? [] }));
  return [...keptLines(named, paint, width), ""];
}
