/** `qkd-node events`: what happened lately. */
import { exit } from "../exit-codes.ts";
import type { Context } from "./context.ts";
import type { HappenedEvent } from "./shapes.ts";
import { table } from "./table.ts";
import { tidy } from "./terminal.ts";
import { moment } from "./units.ts";

interface Events {
  readonly events: readonly HappenedEvent[];
}

const columns = [{ title: "TIME" }, { title: "MODULE" }, { title: "EVENT" }, { title: "" }];
const untitled = columns.map(() => ({ title: "" }));

export async function run(context: Context): Promise<number> {
  const args = { n: context.number("n", 50, 1, 1_024) };
  const { width } = context.terminal;
  if (context.values.follow !== true) {
    const answer = await context.ask<Events>("events", args);
    context.print(answer, () =>
      answer.events.length === 0
        ? ["nothing happened since the node started"]
        : table(columns, rows(answer), width),
    );
    return exit.ok;
  }
  for await (const answer of context.follow<Events>("events", { ...args, follow: true })) {
    context.print(answer, () => table(untitled, rows(answer), width));
  }
  return exit.ok;
}

function rows({ events }: Events): string[][] {
  return events.map(({ t, module, type, facts }) => {
    const said = Object.entries(type.startsWith("alarm_") ? essence(facts) : facts)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${value}`);
    return [moment(t), tidy(module ?? ""), tidy(type), tidy(said.join(" "))];
  });
}

/** What the alarm is in its catalogue need not be said each time. */
function essence({ alarm, severity, detail, value, acknowledged_by }: HappenedEvent["facts"]) {
  return { alarm, severity, acknowledged_by, value, detail };
}
