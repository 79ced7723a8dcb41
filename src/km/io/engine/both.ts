/** Waits for all of them, also when one fails. @throws what the first of them threw */
export async function both(...all: (Promise<void> | undefined)[]): Promise<void> {
  for (const one of await Promise.allSettled(all)) if (one.status === "rejected") throw one.reason;
}
