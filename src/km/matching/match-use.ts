/** What bytes are bound to that authenticate a batch. Pure. */

/** @param digest of the batch, 32 bytes */
export function useOfMatch(digest: Buffer): string {
  return `match ${digest.toString("hex")}`;
}

/** Whether bytes were bound for a batch, and not for applications. */
export function isMatchUse(use: string | undefined): boolean {
  return use !== undefined && /^match [0-9a-f]{64}$/.test(use);
}
