/** What a machine tells of its site's configuration. `QKD_SITE` is its home, set in an image's unit alone. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readRecord, recordFile, type SiteRecord } from "./decide.ts";
import { checkSeal, type Sealer, sealers } from "./seal.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What is told of it in `status`. */
export interface SiteStatus extends Pick<SiteRecord, "serial" | "provisioned"> {
  readonly signed_by?: string;
}

/** @returns undefined where there is no configuration of a site, as on a machine that is no appliance */
export function siteStatus({ QKD_SITE: home }: Environment): SiteStatus | undefined {
  if (home === undefined) return undefined;
  try {
    const record = readRecord(readFileSync(join(home, "site", recordFile), "utf8"));
    if (record === undefined) return undefined;
    const { serial, signed_by, provisioned } = record;
    return { serial, ...(signed_by !== undefined && { signed_by }), provisioned };
  } catch {
    return undefined;
  }
}

/**
 * Checks the configuration of a site before a program runs with it.
 * @returns why it must not run; undefined if it may
 */
export function siteTrouble(
  { QKD_SITE: home, CREDENTIALS_DIRECTORY: credentials }: Environment,
  who: Sealer,
): string | undefined {
  if (home === undefined) return undefined;
  let key: Buffer;
  try {
    key = readFileSync(join(credentials ?? "", sealers[who].credential));
  } catch {
    return "the key of its seal is not there";
  }
  try {
    return checkSeal(home, key, who);
  } finally {
    key.fill(0);
  }
}

/** What a program says that must not run. @param trouble see {@link siteTrouble} */
export function changedSite(trouble: string): string {
  return `the site's configuration is not what was taken: ${trouble}`;
}
