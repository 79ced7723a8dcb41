/** What a machine tells of its site's configuration. `QKD_SITE` is its home, set in an image's unit alone. */
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { exit } from "../../base/exit-codes.ts";
import { ExitError } from "../../host/terminal/program.ts";
import { readRecord, recordFile, type SiteRecord } from "./decide.ts";
import { readNotTaken } from "./not-taken.ts";
import { checkSeal, type Sealer, sealers } from "./seal.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What is told of it in `status`. */
export interface SiteStatus extends Pick<SiteRecord, "serial" | "provisioned"> {
  readonly signed_by?: string;
  /** The last one that came, if it was on trial and the machine went back from it. */
  readonly not_taken?: { readonly serial?: number; readonly why: string };
}

/** @returns undefined where there is no configuration of a site, as on a machine that is no appliance */
export function siteStatus({ QKD_SITE: home }: Environment): SiteStatus | undefined {
  if (home === undefined) return undefined;
  try {
    const record = readRecord(readFileSync(join(home, "site", recordFile), "utf8"));
    if (record === undefined) return undefined;
    const { serial, signed_by, provisioned } = record;
    const by = signed_by !== undefined && { signed_by };
    return { serial, ...by, provisioned, ...notTaken(home) };
  } catch {
    return undefined;
  }
}

/** What `status` and the doctor say of one that was not taken. */
export function notTakenText({ serial, why }: NonNullable<SiteStatus["not_taken"]>): string {
  const which = serial === undefined || serial === 0 ? "the last one" : `serial ${serial}`;
  return `${which} was not taken: ${why}`;
}

/** @throws system errors */
function notTaken(home: string): Pick<SiteStatus, "not_taken"> {
  const note = readNotTaken(home);
  // Of one that is in force still, since going back failed, it would be untrue.
  if (note === undefined || note.folder === readlinkSync(join(home, "site"))) return {};
  const { serial, why } = note;
  return { not_taken: { ...(serial !== undefined && { serial }), why } };
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

/** Before a program runs. @throws ExitError if it must not: see {@link siteTrouble} */
export function refuseChangedSite(environment: Environment, who: Sealer): void {
  const trouble = siteTrouble(environment, who);
  if (trouble === undefined) return;
  throw new ExitError(`the site's configuration is not what was taken: ${trouble}`, exit.config);
}
