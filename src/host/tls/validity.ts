/** Until when certificates and revocation lists of files are valid, as far as alarms go by it. */
import { errorCode } from "../../base/errors.ts";
import { readRegular, readRegularText } from "../disk/regular-file.ts";
import { chainFrom, validityOf } from "./chain.ts";
import { CrlError } from "./crl.ts";
import { listsFacts } from "./lists.ts";
import { readCertificates } from "./pem.ts";

/** A certificate's validity, ms since 1970 UTC. */
export interface Validity {
  readonly from: number;
  readonly to: number;
}

/** The revocation lists of a file. */
export interface ListsValidity {
  readonly lists: readonly {
    readonly issuer: string;
    /** Part of its life that is left, 0 to 1. */
    readonly left: number;
    /** ms since 1970 UTC */
    readonly nextUpdate: number | undefined;
    readonly problem: string | undefined;
  }[];
  /** CAs that have none. */
  readonly missing: readonly string[];
  /** Why none of it can be used. */
  readonly unusable: string | undefined;
}

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
    const [first, ...others] = readCertificates(readRegular(file));
    return first && validityOf(chainFrom(first, others));
  } catch {
    return undefined;
  }
}

/** @param wall ms since 1970 UTC */
export function listsValidity(files: ListFiles, wall: number): ListsValidity {
  try {
    const [ca, crl] = [readRegularText(files.ca), readRegularText(files.crl)];
    return { ...listsFacts(ca, crl, wall), unusable: undefined };
  } catch (error) {
    const why = error instanceof CrlError ? error.message : (errorCode(error) ?? "unreadable");
    return { lists: [], missing: [], unusable: why };
  }
}
