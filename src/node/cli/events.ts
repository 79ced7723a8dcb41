/** `qkd-node events`: what happened lately. */
import { exit } from "../../base/exit-codes.ts";
import { table } from "../../host/terminal/table.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { type Times, timesOf, timeTitle } from "../../host/terminal/units.ts";
import type { HappenedEvent } from "../../ops/cli/shapes.ts";
import type { Context } from "./context.ts";

interface Events {
  readonly events: readonly HappenedEvent[];
}

const columns = ["MODULE", "EVENT", ""].map((title) => ({ title }));
const untitled = ["", "", "", ""].map((title) => ({ title }));

export async function run(context: Context): Promise<number> {
  const args = { n: context.number("n", 50, 1, 1_024) };
  const { width } = context.terminal;
  if (context.values.follow !== true) {
    const answer = await context.ask<Events>("events", args);
    const times = timesOf(answer.events.map(({ t }) => t));
    const titles = [{ title: timeTitle(times) }, ...columns];
    context.print(answer, () =>
      answer.events.length === 0
        ? ["nothing happened since the node started"]
        : table(titles, rows(answer, times), width),
    );
    return exit.ok;
  }
  let titled = false;
  for await (const answer of context.follow<Events>("events", { ...args, follow: true })) {
    const times = timesOf(answer.events.map(({ t }) => t));
    // What comes later is as wide as it is: only the zone is told, once.
    if (!titled && !context.json) context.terminal.say(timeTitle(times));
    titled = true;
    context.print(answer, () => table(untitled, rows(answer, times), width));
  }
  return exit.ok;
}

function rows({ events }: Events, times: Times): string[][] {
  return events.map(({ t, module, type, facts }) => {
    const said = Object.entries(type.startsWith("alarm_") ? essence(facts) : facts)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${value}`);
    return [times.show(t), tidy(module ?? ""), tidy(type), tidy(said.join(" "))];
  });
}

/** What the alarm is in its catalogue need not be said each time. */
function essence({ alarm, severity, detail, value, acknowledged_by }: HappenedEvent["facts"]) {
  return { alarm, severity, acknowledged_by, value, detail };
}
