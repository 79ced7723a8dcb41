/** What a channel shows of its module. */

import type { ModuleDriver, ModuleIdentity, ModuleSession } from "../../port/module.ts";
import type { Conditions, Verdict, VerdictCode } from "../alarms/verdict.ts";
import type { ModuleLinks } from "../model/local.ts";
import type { KmView, ModuleDescription, ModuleState } from "../model/manager.ts";
import { linkState } from "./km-channel.ts";

/** Verdicts that only say once more what the troubles of the parts say. */
const toldByParts: readonly VerdictCode[] = [
  "halted",
  "not_served",
  "ledger_failed",
  "module_down",
  "km_down",
];

/**
 * Its state as the manager is told: the troubles of its parts, and what the verdict says beside them.
 * @param since of the last change, ms since 1970 UTC
 */
export function moduleState(conditions: Conditions, health: Verdict, since: number): ModuleState {
  const { module, moduleTrouble, kms, halted, ledgerTrouble } = conditions;
  const isUp = module === "OPERATING";
  const isAway = kms.every(({ condition }) => condition === "DOWN");
  const waits = kms.some(({ condition }) => condition === "AWAITED") && !isUp;
  const reasons = [
    ...(toldByParts.includes(health.code) || health.level === "good" ? [] : [health.text]),
    ...(isUp ? [] : [`module: ${moduleTrouble}`]),
    ...kms
      .filter(({ condition }) => condition === "DOWN")
      .map(({ name, trouble }) => `${kms.length > 1 ? `KM ${name}` : "KM"}: ${trouble}`),
    ...(ledgerTrouble === undefined ? [] : [`ledger: ${ledgerTrouble}`]),
    ...(halted === undefined ? [] : [`supply stopped: ${halted}`]),
  ];
  return {
    module,
    link:
      !isUp || health.code === "no_light"
        ? "OFF"
        : health.code === "stopped"
          ? "PASSIVE"
          : "ACTIVE",
    km: isAway || waits || health.code === "km_silent" ? "DOWN" : "UP",
    reason: reasons.join("; "),
    since,
  };
}

/**
 * How its links are.
 * @param trouble why there is no session
 */
export function moduleLinks(
  session: ModuleSession | undefined,
  trouble: string,
  kms: readonly KmView[],
): ModuleLinks {
  return {
    up: session !== undefined,
    reason: session === undefined ? trouble : "",
    ...(session !== undefined && {
      protocol: session.identity.protocol,
      quality: session.quality(),
    }),
    kms: kms.map(linkState),
  };
}

/**
 * What it is.
 * @param identity undefined until it answered for the first time
 * @param matchingId of the module at the other end
 */
export function moduleDescription(
  name: string,
  { kind, where }: ModuleDriver,
  km: string,
  identity: ModuleIdentity | undefined,
  matchingId: string,
): ModuleDescription {
  return {
    name,
    driver: kind,
    where,
    km,
    ...(identity !== undefined && {
      module_id: identity.moduleId,
      matching_module_id: matchingId,
      role: identity.role,
      vendor: identity.vendor,
      model: identity.model,
      serial: identity.serial,
      firmware: identity.firmware,
    }),
  };
}
