/** Is the configuration good, and does the daemon run? */

import { ConfigError } from "../../host/config/problems.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";

/** A problem with such a file. */
const hiddenFile = / \/run\/credentials\/\S+ cannot be read: (no such file|permission denied)$/;
const name = ["config", "configuration"] as const;

/** Files that systemd shows to the service only (`LoadCredential=`), and only while it runs. */
export function isCredential(path: string | undefined): boolean {
  return path?.startsWith("/run/credentials/") === true;
}

export interface ConfigurationSubject<Config> {
  /** The configuration's file. */
  readonly file: string;
  /** Reads and checks it, and the files that it names. @throws ConfigError */
  readonly load: () => Config;
  /** The same without those files. @throws ConfigError */
  readonly read: () => Config;
  /** Whose it is, for a person: `node node-a`. */
  readonly whose: (config: Config) => string;
  /** The daemon: `the node`, its unit, and what says whether a configuration is good. */
  readonly daemon: Daemon;
}

/** How findings name a daemon. */
export interface Daemon {
  readonly called: string;
  /** Its command, which is its unit's name as well. */
  readonly command: string;
  /** What says whether a configuration is good. */
  readonly check: string;
  /** What says why it ended. */
  readonly logs: string;
}

/** @returns the configuration as far as it can be used for the other checks */
export function checkConfiguration<Config>({
  file,
  load,
  read,
  whose,
  daemon,
}: ConfigurationSubject<Config>): {
  readonly findings: Finding[];
  readonly config: Config | undefined;
} {
  try {
    const config = load();
    return { findings: [ok(name, `${file}: good (${whose(config)})`)], config };
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
      ? `ask as root or as the user of ${daemon.called}; if it is ${daemon.called} that may not, mend owner and mode`
      : `correct it; ${daemon.check} says whether it is good; then restart ${daemon.called}`;
    const findings = [fail(name, problems.join("; "), advice)];
    try {
      // Files that cannot be read are no reason not to look at the rest.
      return { findings, config: read() };
    } catch {
      return { findings, config: undefined };
    }
  }
}

/**
 * Whether the daemon runs.
 * @param runs what it says of itself; undefined: it does not tell
 * @param why it does not tell
 * @param forbidden it runs, but this user may not ask it
 */
export function checkRunning(
  id: string,
  daemon: Daemon,
  runs: string | undefined,
  why: string,
  forbidden: boolean,
): Finding {
  const title = [id, daemon.called.replace(/^the /, "")] as const;
  if (runs !== undefined) return ok(title, runs);
  if (forbidden) return skip(title, why);
  const start = `start it: systemctl start ${daemon.command}; ${daemon.logs} says why it ended`;
  return warn(title, why, start);
}
