/** What all pictures of the show say of alarms, and of keys that were compared. Pure text. */
import type { ManagerView } from "../../test/rig/manager-view.ts";
import type { Line, Paint } from "./text.ts";

/** A node, by the name that the picture has for it. */
export interface Named {
  readonly name: string;
  readonly nodeId: string;
}

/** Everything that is raised, or that nothing is. @param most lines @param named each line has its node */
export function raised(
  view: ManagerView,
  nodes: readonly Named[],
  paint: Paint,
  { most, named }: { readonly most: number; readonly named: boolean },
): Line[] {
  const lines = nodes.flatMap(({ name, nodeId }) =>
    [...view.node(nodeId).alarms.values()].map(({ alarm, severity, text, detail }) => {
      const loud = severity === "critical" || severity === "major";
      const what = `${named ? `${name} ` : ""}${alarm}: ${(detail ?? text).split(";")[0]}`;
      const said = `${severity.padEnd(8)} ${what}`;
      return loud ? paint.bad(said) : said;
    }),
  );
  const shown = lines.slice(0, most).map((text): Line => ({ text: ` ${text}` }));
  if (lines.length > most) shown.push({ text: ` and ${lines.length - most} alarms more` });
  const away = nodes.filter(({ nodeId }) => view.node(nodeId).status !== "online");
  if (away.length > 0) {
    const names = away.map(({ name }) => name).join(" and ");
    shown.push({ text: paint.dim(` of ${names} no news: the node does not run, or starts`) });
  } else if (lines.length === 0) {
    shown.push({ text: ` ${paint.dim("no alarms")}` });
  }
  return shown;
}

/** Whether QKD-keys at both ends of fibres were the same. @param where which keys */
export function comparison(
  { compared, differing }: { readonly compared: number; readonly differing: number },
  where: string,
  paint: Paint,
): string {
  const text = `compared ${compared}, differing ${differing}: ${where}`;
  if (differing > 0) return paint.bad(text);
  return compared === 0 ? paint.dim(text) : paint.good(text);
}
