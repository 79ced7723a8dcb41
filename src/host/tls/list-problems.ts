/** What is wrong with a file of revocation lists, before a daemon goes by it. */
import { readRegularText } from "../disk/regular-file.ts";
import { CrlError } from "./crl.ts";
import { trustOf } from "./trust.ts";

/** @param ca file of who is trusted @param crl file of the lists; one that cannot be read is not judged */
export function listProblems(ca: string, crl: string): string[] {
  let texts: { readonly ca: string; readonly crl: string };
  try {
    texts = { ca: readRegularText(ca), crl: readRegularText(crl) };
  } catch {
    return [];
  }
  try {
    return trustOf(texts).strangers.map(
      ({ issuer }) => `holds a list that no CA of ca has signed (${issuer})`,
    );
  } catch (error) {
    if (!(error instanceof CrlError)) throw error;
    return [error.message];
  }
}
