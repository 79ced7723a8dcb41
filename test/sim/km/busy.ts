/** Nothing fails, and applications ask faster than the disk answers. */
export const busy = {
  name: "many requests, and nothing that fails",
  world: {
    faults: { kinds: [], meanMs: 1_000 },
    requestMs: 4,
    preOffers: 0.2,
    refusals: 0,
    differ: 0,
    lost: 0,
  },
} as const;
