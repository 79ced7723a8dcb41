/** The first certificates: a person brought them where the program may read, and it renews them where it may write. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errorCode, Fault } from "../../base/errors.ts";
import type { Problem } from "../../host/config/problems.ts";
import { readRegular } from "../../host/disk/regular-file.ts";
import { ending } from "../../host/tls/chain.ts";
import { PemError, readCertificates } from "../../host/tls/pem.ts";
import { renewable } from "./config.ts";
import type { RenewalTables } from "./open.ts";

/**
 * Copies from `first` what is not there yet, is of another key, or lasts longer: a person has brought another one.
 * A certificate that is not in `first` is left as it is.
 * @throws Fault `state.io`
 */
export function settleFirst({ est, stateDir, sets }: RenewalTables): void {
  const first = est?.first;
  if (first === undefined) return;
  for (const { cert } of renewable(stateDir, sets)) {
    const source = join(first, basename(cert));
    const brought = firstOf(source);
    if (brought === undefined) continue;
    const present = firstOf(cert);
    const stays =
      present?.publicKey.equals(brought.publicKey) === true && ending(present) >= ending(brought);
    if (!stays) copy(source, cert);
  }
}

/** Without those about certificates that the first start will copy: before it, they are not missed. */
export function withoutFirst(problems: readonly Problem[], tables: RenewalTables): Problem[] {
  const first = tables.est?.first;
  if (first === undefined) return [...problems];
  const coming = new Set(
    tables.sets.flatMap(({ for: name, cert }) => {
      const isComing =
        cert !== undefined && !existsSync(cert) && existsSync(join(first, basename(cert)));
      return isComing ? [`${name}.cert`] : [];
    }),
  );
  return problems.filter(({ key }) => !coming.has(key));
}

/** undefined where there is none that can be read: who needs it says why. */
function firstOf(file: string) {
  try {
    return readCertificates(readRegular(file))[0];
  } catch (error) {
    if (error instanceof PemError || errorCode(error) !== undefined) return undefined;
    throw error;
  }
}

/** One that is cut off is copied again at the next start. */
function copy(from: string, to: string): void {
  try {
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    writeFileSync(`${to}.new`, readRegular(from), { mode: 0o600, flush: true });
    renameSync(`${to}.new`, to);
  } catch (error) {
    const facts = { file: to, source: from, code: errorCode(error) ?? "unknown" };
    throw new Fault("state.io", "the first certificate cannot be copied", facts);
  }
}
