/** Is the configuration good, and is it what the node runs with? */

import { ConfigError } from "../../host/config/problems.ts";
import type { Config } from "../config/load.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";
import type { Running, Subject } from "./subject.ts";

/** A problem with such a file. */
const hiddenFile = / \/run\/credentials\/\S+ cannot be read: (no such file|permission denied)$/;
const name = ["config", "configuration"] as const;

/** Files that systemd shows to the service only (`LoadCredential=`), and only while it runs. */
export function isCredential(path: string | undefined): boolean {
  return path?.startsWith("/run/credentials/") === true;
}

/** @returns the configuration as far as it can be used for the other checks */
export function checkConfiguration(
  { file, load, read }: Subject,
  running: Running | undefined,
): { readonly findings: Finding[]; readonly config: Config | undefined } {
  let config: Config;
  try {
    config = load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.filter((problem) => !hiddenFile.test(problem));
    if (problems.length === 0) {
      const known = read();
      const detail = `${file}: good, as far as it can be seen: credentials are the service's alone`;
      return { findings: [ok(name, detail)], config: known };
    }
    const denied = problems.some((problem) => problem.endsWith("permission denied"));
    const advice = denied
      ? "ask as root or as the node's user; if it is the node that may not, mend owner and mode"
      : "correct it; qkd-node config check says whether it is good; then restart the node";
    const findings = [fail(name, problems.join("; "), advice)];
    try {
      // Files that cannot be read are no reason not to look at the rest.
      return { findings, config: read() };
    } catch {
      return { findings, config: undefined };
    }
  }
  const findings = [ok(name, `${file}: good (node ${config.node.id})`)];
  if (running !== undefined && running.status.config.digest !== config.digest) {
    const advice = "qkd-node config diff shows what is other; restart the node to take it";
    findings.push(
      warn(["config.running", "configuration"], "the node runs with another one", advice),
    );
  }
  return { findings, config };
}

/**
 * @param why it does not tell
 * @param forbidden it runs, but this user may not ask it
 */
export function checkNode(running: Running | undefined, why: string, forbidden: boolean): Finding {
  const node = ["node", "node"] as const;
  if (running !== undefined) {
    const { pid, boot } = running.status;
    return ok(node, `runs (process ${pid}, start ${boot})`);
  }
  if (forbidden) return skip(node, why);
  return warn(node, why, "start it: systemctl start qkd-node; qkd-node logs says why it ended");
}
