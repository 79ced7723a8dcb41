/** `qkd-node telemetry`: what the modules measure, once or again and again. */
import { exit } from "../../base/exit-codes.ts";
import { table } from "../../host/terminal/table.ts";
import { type Paint, tidy } from "../../host/terminal/terminal.ts";
import { duration, figure, moment } from "../../host/terminal/units.ts";
import type { Telemetry } from "../../ops/cli/shapes.ts";
import { type FigureName, figures } from "../../port/telemetry.ts";
import type { Context } from "./context.ts";
import { Picture } from "./live.ts";

export async function run(context: Context): Promise<number> {
  const [module] = context.positionals;
  const chosen = module === undefined ? {} : { module };
  const { terminal } = context;
  const { paint, width } = terminal;
  const every_ms = context.number("interval", 1_000, 200, 60_000);
  if (context.values.watch !== true) {
    const answer = await context.ask<Telemetry>("telemetry", chosen);
    context.print(answer, () => lines(answer, paint, width));
    return exit.ok;
  }
  const picture = terminal.live && !context.json ? new Picture(terminal) : undefined;
  const wanted = { ...chosen, follow: true, every_ms };
  for await (const answer of context.follow<Telemetry>("telemetry", wanted)) {
    if (picture !== undefined) picture.draw(lines(answer, paint, width));
    else context.print(answer, () => [...lines(answer, paint, width), ""]);
  }
  return exit.ok;
}

function lines({ t, modules }: Telemetry, paint: Paint, width: number): string[] {
  return modules.flatMap(({ module, figures: reported }) => {
    const rows = Object.entries(reported).map(
      ([name, { last, min, max, mean, age_ms, quality }]) => {
        const { unit = "" } = figures[name as FigureName] ?? {};
        const age = quality === "good" ? "" : paint.warn(`${quality}, ${duration(age_ms / 1_000)}`);
        const shown = [last, mean, min, max].map((value) => figure(value, "1"));
        return [tidy(name), ...shown, `${unit === "1" ? "" : unit} ${age}`.trim()];
      },
    );
    const head = `${paint.bold(tidy(module))}  ${paint.dim(moment(t))}`;
    if (rows.length === 0) return [head, "  no telemetry yet"];
    const columns = ["FIGURE", "LAST", "MEAN", "LEAST", "MOST"].map((title, i) => ({
      title,
      right: i > 0,
    }));
    return [head, ...table([...columns, { title: "UNIT" }], rows, width)];
  });
}
