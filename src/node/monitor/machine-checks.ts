/** What the watch looks up: how long certificates and lists are valid, and how full the disk is. */
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { errorCode } from "../../base/errors.ts";
import { chainFrom, validityOf } from "../../host/tls/chain.ts";
import { CrlError } from "../../host/tls/crl.ts";
import { listsFacts } from "../../host/tls/lists.ts";
import { readCertificates } from "../../host/tls/pem.ts";
import type { ListsValidity, Validity } from "../alarms/node-rules.ts";

/** Files of revocation lists, and of the CAs that sign them. */
export interface ListFiles {
  readonly ca: string;
  readonly crl: string;
  /** A list that has run out refuses every peer. */
  readonly crlFresh: boolean;
}

/** Between when and when all of the chain is valid. @returns undefined if the file cannot be used */
export function validity(file: string): Validity | undefined {
  try {
    const [first, ...others] = readCertificates(readFileSync(file));
    return first && validityOf(chainFrom(first, others));
  } catch {
    return undefined;
  }
}

/** @param wall ms since 1970 UTC */
export function listsValidity(files: ListFiles, wall: number): ListsValidity {
  try {
    const [ca, crl] = [readFileSync(files.ca, "utf8"), readFileSync(files.crl, "utf8")];
    return { ...listsFacts(ca, crl, wall), unusable: undefined };
  } catch (error) {
    const why = error instanceof CrlError ? error.message : (errorCode(error) ?? "unreadable");
    return { lists: [], missing: [], unusable: why };
  }
}

/** Free part of a folder's disk, 0 to 1. @throws what the disk says */
export async function diskFreeFraction(folder: string): Promise<number> {
  const { bavail, blocks } = await statfs(folder);
  return blocks === 0 ? 1 : bavail / blocks;
}
