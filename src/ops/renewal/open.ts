/** Renewal as every daemon has it: begun where its configuration has a table `[est]`. */
import type { Log } from "../../base/log.ts";
import { fileProblem } from "../../host/config/files.ts";
import type { Problem } from "../../host/config/problems.ts";
import type { Machine } from "../../host/machine.ts";
import type { CertificateFiles } from "../../host/tls/report.ts";
import { type EstConfig, renewable } from "./config.ts";
import { Renewal } from "./renewal.ts";

export interface RenewalTables {
  readonly est?: EstConfig | undefined;
  readonly stateDir: string;
  readonly sets: readonly CertificateFiles[];
}

export interface RenewalUsers extends Machine {
  /** @param why it could not be renewed; undefined: it was, or is not due */
  readonly tell: (name: string, why: string | undefined) => void;
  readonly onRenewed: () => void;
  readonly log: Log;
}

export function startRenewal(
  { est, stateDir, sets }: RenewalTables,
  users: RenewalUsers,
): Pick<Renewal, "stop"> | undefined {
  if (est === undefined) return undefined;
  const renewal = new Renewal({ ...users, est, certificates: renewable(stateDir, sets) });
  renewal.start();
  return renewal;
}

/** Files of `[est]` that cannot be read, or that others may. */
export function estProblems(est: EstConfig | undefined): Problem[] {
  const look = (name: "ca" | "password_file", isSecret: boolean): Problem[] => {
    const path = est?.[name];
    const what = path && fileProblem(path, isSecret);
    return what ? [{ key: `est.${name}`, what }] : [];
  };
  return [...look("ca", false), ...look("password_file", true)];
}
