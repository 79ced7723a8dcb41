/** What every surface of a running node says of its module's supply, read at one time. */
import { join } from "node:path";
import { qkdNode } from "./cli.ts";
import type { Rig, RigEnd } from "./rig.ts";

/** The same verdict, as each surface has it. */
export interface Surfaces {
  /** By surface: the verdict's code. */
  readonly verdicts: Readonly<Record<string, string>>;
  /** By surface: whether it calls the node ready. */
  readonly ready: Readonly<Record<string, boolean>>;
  /** What a person reads first, by surface. */
  readonly heads: Readonly<Record<string, string>>;
  readonly page: PageState;
  /** Names of the alarms that are raised. */
  readonly alarms: readonly string[];
  /** What the doctor says to begin with. */
  readonly doctorFirst: string;
  readonly doctor: string;
  readonly status: string;
}

export interface PageState {
  readonly modules: readonly {
    readonly condition: {
      readonly level: string;
      readonly code: string;
      readonly text: string;
      readonly ready: boolean;
    };
    readonly state: { readonly link: string; readonly km: string; readonly reason: string };
    readonly kept_back: readonly { readonly why: string; readonly count: number }[];
  }[];
  readonly alarms: readonly { readonly name: string; readonly severity: string }[];
}

/** The page's state; undefined while the node is not there. */
export async function pageState({ page }: Pick<RigEnd, "page">): Promise<PageState | undefined> {
  try {
    const answer = await fetch(`${page}api/state`);
    return (await answer.json()) as PageState;
  } catch {
    return undefined;
  }
}

/** Reads them all; the node must run. */
export async function surfacesOf(rig: Rig, end: RigEnd): Promise<Surfaces> {
  const where = ["--config", join(rig.folder, `${end.nodeId}.toml`)];
  const page = (await pageState(end)) as PageState;
  const readyz = await fetch(`${end.page}readyz`);
  const told = (await readyz.json()) as {
    modules: readonly { health: { code: string; text: string } }[];
  };
  const metrics = await (await fetch(`${end.page}metrics`)).text();
  const [statusJson, doctorJson, status, doctor] = await Promise.all(
    [["status", "--json"], ["doctor", "--json"], ["status"], ["doctor"]].map(
      async (args) => (await qkdNode([...args, ...where])).out,
    ),
  );
  const { health } = JSON.parse(statusJson as string).modules[0];
  const report = JSON.parse(doctorJson as string);
  const topic = `qkdn/v1/${end.nodeId}/module/${end.name}/state`;
  const published = rig.broker.messages.findLast((message) => message.topic === topic);
  const state = JSON.parse(published?.payload.toString() ?? "{}");
  const [module] = page.modules as [PageState["modules"][number]];
  const [check] = report.checks.filter(({ id }: { id: string }) => id === `supply.${end.name}`);
  return {
    verdicts: {
      page: module.condition.code,
      readyz: told.modules[0]?.health.code ?? "",
      metrics: /qkd_supply_verdict\{.*reason="(\w+)"/.exec(metrics)?.[1] ?? "",
      status: health.verdict,
      doctor: report.supply[0].health.verdict,
      manager: state.health?.verdict,
    },
    ready: {
      page: module.condition.ready,
      readyz: readyz.status === 200,
      metrics:
        / qkd_supply_ready\{[^}]*\} 1$/m.test(` ${metrics}`) ||
        /^qkd_supply_ready\{[^}]*\} 1$/m.test(metrics),
      status: health.ready,
      manager: state.health?.ready,
    },
    heads: {
      page: module.condition.text,
      readyz: told.modules[0]?.health.text ?? "",
      status: health.text,
      doctor: check?.detail,
      manager: state.health?.text,
    },
    page,
    alarms: page.alarms.map(({ name }) => name),
    doctorFirst: report.first,
    doctor: doctor as string,
    status: status as string,
  };
}
