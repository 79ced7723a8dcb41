/** What the alarm monitor is told of the configuration. */
import { ms } from "../../base/duration.ts";
import { flapLimits } from "../../ops/alarms/flap-config.ts";
import { certificateFiles, listFiles } from "../config/certificates.ts";
import type { AlarmsConfig, CertificateTables, KmConfig, ModuleConfig } from "../config/tables.ts";
import type { WatchOptions } from "../monitor/alarm-monitor.ts";
import type { PublishingTables } from "./publishing.ts";

/** The tables that say what is watched, and who is told. */
export interface MonitoringTables extends PublishingTables, CertificateTables {
  readonly alarms: AlarmsConfig;
  readonly modules: readonly ModuleConfig[];
}

/** Whether it is told how its modules are (Kq-2): only TLS tells which protocol a connection is for. */
export function mayBeTold({ transport, kq2 }: KmConfig): boolean {
  return kq2 !== "off" && transport !== "plain";
}

export function watchSettings(tables: MonitoringTables): WatchOptions {
  const { alarms, modules, manager } = tables;
  const certificates = new Map(
    certificateFiles(tables).flatMap(({ for: name, cert }) =>
      cert === undefined ? [] : [[name, cert] as const],
    ),
  );
  const lists = new Map(listFiles(tables).map(({ for: name, ...files }) => [name, files]));
  const plain = new Map<string, boolean>();
  for (const km of modules.flatMap(({ kms }) => kms)) {
    if (km.transport === "plain") plain.set(`km.${km.name}`, true);
  }
  if (manager?.url.startsWith("mqtt:")) plain.set("manager", false);
  return {
    flap: flapLimits(alarms),
    node: {
      certificateDays: alarms.certificate_days,
      storageFree: alarms.storage_free,
      crlLeft: alarms.crl_left,
    },
    modules: modules.map(
      ({
        name,
        qber_limit,
        qber_required,
        driver,
        kms,
        alarms: { intermittent, ...thresholds },
      }) => ({
        module: name,
        kms: kms.map((km) => km.name),
        answerTimeout: ms(Math.max(...kms.map((km) => km.answer_timeout))),
        qberLimit: qber_limit,
        qberWaived: qber_required === false && !driver.measuresQber,
        intermittent,
        thresholds,
      }),
    ),
    certificates,
    lists,
    plain,
    told: new Set(
      modules.flatMap(({ kms }) => kms.filter(mayBeTold).map(({ name }) => `km.${name}`)),
    ),
  };
}
