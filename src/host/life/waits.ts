/** Waiting times between attempts, ms. A module that is plugged in again is back within 2 s. */
export const moduleWaits = { firstMs: 250, maxMs: 1_500 } as const;
export const kmWaits = { firstMs: 250, maxMs: 5_000 } as const;
/** A disk that is full stays so for a while. */
export const ledgerWaits = { firstMs: 500, maxMs: 10_000 } as const;
