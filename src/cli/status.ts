/** `qkd-node status`: the node at a glance. */
import { exit } from "../exit-codes.ts";
import type { Context } from "./context.ts";
import type { Status } from "./shapes.ts";
import { table } from "./table.ts";
import { coloured, type Paint, tidy } from "./terminal.ts";
import { duration, percent, rate, whole } from "./units.ts";

export async function run(context: Context): Promise<number> {
  const status = await context.ask<Status>("status");
  context.print(status, () => lines(status, context.terminal));
  return exit.ok;
}

export function lines(
  status: Status,
  { paint, width }: { readonly paint: Paint; readonly width: number },
): string[] {
  const { node, version, boot, pid, uptime_s, modules, broker } = status;
  const head = `${paint.bold(tidy(node))}  up ${duration(uptime_s)}`;
  const rows = modules.map((module) => [
    tidy(module.name),
    coloured(paint, module.state),
    coloured(paint, module.link),
    coloured(paint, module.km),
    percent(module.qber),
    rate(module.secret_key_rate),
    `${whole(module.keys.confirmed)} of ${whole(module.keys.supplied)}`,
  ]);
  const columns = [
    { title: "MODULE" },
    { title: "STATE" },
    { title: "LINK" },
    { title: "KM" },
    { title: "QBER", right: true },
    { title: "KEY RATE", right: true },
    { title: "CONFIRMED KEYS" },
  ];
  const why = modules
    .filter(({ reason }) => reason !== "")
    .map(({ name, reason }) => [paint.warn(tidy(name)), tidy(reason)]);
  const raised = Object.entries(status.alarms).filter(([, count]) => count > 0);
  const alarms = raised.map(([level, n]) => `${n} ${coloured(paint, level)}`).reverse();
  const told = broker === undefined ? [] : [["broker", brokerText(broker, paint)]];
  const last =
    alarms.length === 0 ? paint.good("none") : `${alarms.join(", ")} (see qkd-node alarms)`;
  return [
    `${head}  boot ${boot}  version ${tidy(version)}  pid ${pid}`,
    "",
    ...table(columns, rows, width),
    ...table([{ title: "" }, { title: "" }], why, width),
    "",
    ...table([{ title: "" }, { title: "" }], [...told, ["alarms", last]], width),
  ];
}

export function brokerText(broker: NonNullable<Status["broker"]>, paint: Paint): string {
  const { up, url, reason, waiting } = broker;
  const behind = waiting > 0 ? `, ${whole(waiting)} events wait` : "";
  const why = reason === "" ? "" : `: ${tidy(reason)}`;
  return `${coloured(paint, up ? "up" : "down")}  ${tidy(url)}${behind}${why}`;
}
