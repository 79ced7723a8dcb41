/** `qkd-node alarms`: what is raised, what came and went, and how an alarm is acknowledged. */
import { exit } from "../../base/exit-codes.ts";
import { counted, didYouMean } from "../../base/words.ts";
import { facts, table, wrap } from "../../host/terminal/table.ts";
import { coloured, type Paint, tidy } from "../../host/terminal/terminal.ts";
import { moment, type Times, timesOf, timeTitle } from "../../host/terminal/units.ts";
import type { Acted, Alarm, HappenedEvent } from "../../ops/cli/shapes.ts";
import type { Context } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const { paint, width } = context.terminal;
  const id = context.text("ack");
  if (id !== undefined) {
    const acted = await context.ask<Acted>("acknowledge_alarm", { alarm: id });
    const near = acted.reason === "unknown_alarm" ? await known(context, id) : "";
    const words: Readonly<Record<string, string>> = {
      unknown_alarm: `there is no such alarm${near}`,
      not_raised: "it is over, or acknowledged already",
    };
    const { status, reason = "" } = acted;
    const why = status === "done" ? "" : `: ${tidy(words[reason] ?? reason)}`;
    context.print(acted, () => [`${coloured(paint, status)}${why}`]);
    return status === "done" ? exit.ok : exit.failed;
  }
  if (context.values.history === true) {
    const args = { n: context.number("n", 50, 1, 1_024), alarms: true };
    const answer = await context.ask<{ readonly events: readonly HappenedEvent[] }>("events", args);
    const times = timesOf(answer.events.map(({ t }) => t));
    context.print(answer, () =>
      answer.events.length === 0
        ? ["no alarm since the node started"]
        : table(
            [{ title: timeTitle(times) }, { title: "ALARM" }, { title: "" }],
            history(answer.events, paint, times),
            width,
          ),
    );
    return exit.ok;
  }
  const answer = await context.ask<{ readonly alarms: readonly Alarm[] }>("alarms");
  const times = timesOf(answer.alarms.map(({ raised }) => raised));
  const first = ({ zone }: Times): Times => ({ zone, show: moment });
  context.print(answer, () =>
    answer.alarms.length === 0
      ? [paint.good("no alarm is raised")]
      : answer.alarms.flatMap((alarm, i) => [
          ...(i > 0 ? [""] : []),
          ...lines(alarm, paint, width, i > 0 ? times : first(times)),
        ]),
  );
  return exit.ok;
}

/** What may have been meant: an alarm that is raised, by its whole ID or its name alone. */
async function known(context: Context, id: string): Promise<string> {
  const { alarms } = await context.ask<{ readonly alarms: readonly Alarm[] }>("alarms");
  const ids = alarms.map(({ alarm }) => alarm);
  const named = ids.find((one) => one.split(".")[0] === id);
  return named === undefined ? didYouMean(id, ids) : `; did you mean ${tidy(named)}?`;
}

/** An alarm, what it means and what to do about it. */
export function lines(alarm: Alarm, paint: Paint, width: number, times: Times): string[] {
  const flags = [
    ...(alarm.active ? [] : ["over, waits to be acknowledged"]),
    ...(alarm.flapping ? ["comes and goes"] : []),
    ...(alarm.acknowledged ? [`acknowledged by ${tidy(alarm.acknowledged_by ?? "somebody")}`] : []),
    ...(alarm.count > 1 ? [counted(alarm.count, "time")] : []),
  ];
  const limit = alarm.threshold === undefined ? "" : ` (limit ${alarm.threshold})`;
  const value = alarm.value === undefined ? [] : [`value ${alarm.value}${limit}`];
  const detail = alarm.detail === undefined ? [] : [tidy(alarm.detail)];
  const pairs: (readonly [string, string])[] = [
    ["what", [alarm.text, ...value, ...detail].join("; ")],
    ["do", alarm.action],
  ];
  const state = flags.length === 0 ? "" : `  ${paint.dim(flags.join(", "))}`;
  const head = `${coloured(paint, alarm.severity)}  ${paint.bold(tidy(alarm.alarm))}  since ${times.show(alarm.raised)}`;
  return [...wrap(`${head}${state}`, width), ...facts(pairs, width, 2)];
}

function history(events: readonly HappenedEvent[], paint: Paint, times: Times): string[][] {
  return events.map((event) => {
    const { alarm, severity, detail, acknowledged_by } = event.facts;
    const change = event.type.replace("alarm_", "");
    const level = change === "cleared" ? "" : ` ${coloured(paint, tidy(String(severity)))}`;
    const more = [acknowledged_by, detail].filter((text) => text !== undefined);
    const text = `${change}${level}${more.length > 0 ? `: ${tidy(more.join(", "))}` : ""}`;
    return [times.show(event.t), tidy(String(alarm)), text];
  });
}
