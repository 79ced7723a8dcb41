/** `qkd-node status`: the node at a glance. */
import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { table } from "../../host/terminal/table.ts";
import { coloured, type Paint, tidy } from "../../host/terminal/terminal.ts";
import { duration, moment, percent, rate, whole } from "../../host/terminal/units.ts";
import type { Site, Status } from "../../ops/cli/shapes.ts";
import { healthLines, keptLines } from "../../ops/doctor/health.ts";
import { notTakenText } from "../../ops/site/told.ts";
import type { Context } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const status = await context.ask<Status>("status");
  context.print(status, () => lines(status, context.terminal));
  return exit.ok;
}

export function lines(
  status: Status,
  { paint, width }: { readonly paint: Paint; readonly width: number },
): string[] {
  const { node, version, boot, pid, uptime_s, modules, broker, panel } = status;
  const head = `${paint.bold(tidy(node))}  up ${duration(uptime_s)}`;
  const rows = modules.map((module) => [
    tidy(module.name),
    coloured(paint, module.state),
    coloured(paint, module.link),
    coloured(paint, module.km),
    percent(module.qber),
    rate(module.secret_key_rate),
    whole(module.keys.confirmed),
    whole(module.keys.in_flight),
  ]);
  const columns = [
    { title: "MODULE" },
    { title: "STATE" },
    { title: "LINK" },
    { title: "KM" },
    { title: "QBER", right: true },
    { title: "KEY RATE", right: true },
    { title: "CONFIRMED", right: true },
    { title: "SENT", right: true },
  ];
  const raised = Object.entries(status.alarms).filter(([, count]) => count > 0);
  const alarms = raised.map(([level, n]) => `${n} ${coloured(paint, level)}`).reverse();
  const told = broker === undefined ? [] : [["broker", brokerText(broker, paint)]];
  const chassis = panel === undefined ? [] : [["panel", panelText(panel, paint)]];
  const { site } = status;
  const taken = site === undefined ? [] : siteRows(site, paint);
  const bench = status.image?.development ? [["image", paint.warn(benchImage)]] : [];
  const last =
    alarms.length === 0 ? paint.good("none") : `${alarms.join(", ")} (see qkd-node alarms)`;
  return [
    `${head}  boot ${boot}  version ${tidy(version)}  pid ${pid}`,
    "",
    ...healthLines(modules, status.t, paint, width),
    ...keptLines(modules, paint, width),
    "",
    ...table(columns, rows, width),
    "",
    ...table(
      [{ title: "" }, { title: "" }],
      [
        ...told,
        ...kmsTold(status.kq2 ?? [], paint),
        ...chassis,
        ...taken,
        ...bench,
        ["alarms", last],
      ],
      width,
    ),
  ];
}

/** A KM without Kq-2 is nothing amiss. */
function kmsTold(kms: NonNullable<Status["kq2"]>, paint: Paint): (readonly [string, string])[] {
  return kms.map(({ km, state, reason }) => {
    const word = state === "not_offered" ? "not told" : coloured(paint, state);
    return ["Kq-2", `${tidy(km)}: ${word}${reason === "" ? "" : `: ${tidy(reason)}`}`];
  });
}

const benchImage = "for development: whoever has the builder's keys can sign another";

function siteRows(site: Site, paint: Paint): [string, string][] {
  const refused = site.not_taken && notTakenText(site.not_taken);
  return [
    ["configuration", siteText(site, paint)],
    ...(refused === undefined ? [] : [["", paint.bad(tidy(refused))] as [string, string]]),
  ];
}

function siteText({ serial, signed_by, provisioned }: Site, paint: Paint): string {
  const by = signed_by === undefined ? "" : `serial ${serial}, signed by ${tidy(signed_by)}`;
  if (provisioned === "signed") return by;
  const unsigned = paint.warn("configuration was provisioned unsigned");
  return by === "" ? unsigned : `${by}; ${unsigned}`;
}

export function panelText(panel: NonNullable<Status["panel"]>, paint: Paint): string {
  const { presence, reason, tamper, contacts = [], tampered_at, maintenance, zeroize } = panel;
  const { halted, halted_because, lamps } = panel;
  const heard = presence === "ok" ? paint.good("ok") : paint.bad(presence);
  const opened = contacts.map((contact) => contact + 1).join(", ");
  const what = opened === "" ? "it could not have noticed" : `contact ${opened} opened`;
  const when = tampered_at === undefined ? "" : ` at ${moment(tampered_at)}`;
  const parts = [
    reason === undefined ? heard : `${heard}: ${tidy(reason)}`,
    ...(tamper !== "none" ? [paint.bad(`tampered: ${what}${when} (${tamper})`)] : []),
    ...(presence === "ok"
      ? [
          ...(tamper === "none" ? ["chassis closed"] : []),
          maintenance ? paint.warn("key at maintenance") : "key at operation",
        ]
      : []),
    ...(zeroize === "none" ? [] : [`zeroize ${zeroize}`]),
    ...(halted && tamper === "none"
      ? [`no key leaves the node: ${tidy(halted_because ?? "")}`]
      : []),
    ...(presence === "ok" ? [`lamps supply ${lamps.supply}, alarm ${lamps.alarm}`] : []),
  ];
  return parts.join("; ");
}

export function brokerText(broker: NonNullable<Status["broker"]>, paint: Paint): string {
  const { up, url, reason, waiting } = broker;
  const behind = waiting > 0 ? `, ${counted(waiting, "event waits", "events wait")}` : "";
  const why = reason === "" ? "" : `: ${tidy(reason)}`;
  return `${coloured(paint, up ? "up" : "down")}  ${tidy(url)}${behind}${why}`;
}
