/** Mistakes that the simulator must find: each is put into a world, and the number of lives until it shows is told. */
import type { KmLink } from "../../../src/km/link/link.ts";
import type { Change } from "../../../src/km/store/port.ts";
import type { Use } from "../../../src/km/store/shapes.ts";
import { decodeUses } from "../../../src/km/store/use-rows.ts";
import type { Takes } from "../../../src/km/supply/peer.ts";
import type { Wanted } from "./drawn.ts";
import type { Meddle } from "./network.ts";
import type { SimKm } from "./sim-km.ts";
import type { SimWorld as World } from "./world.ts";

export interface Plant {
  readonly name: string;
  readonly world?: Wanted;
  readonly noSync?: (change: Change | "put") => boolean;
  readonly forgetful?: boolean;
  readonly hasty?: boolean;
  readonly stale?: boolean;
  readonly takes?: Takes;
  /** Batches are authenticated under one-time keys. */
  readonly oneTime?: boolean | "b alone";
  /** Extents that are gone from the disk of one end when it starts: no mistake, but damage. */
  readonly lose?: (number: number) => boolean;
  /** Operators order keys to be given up: also prepared ones, which the other end may be handing out. */
  readonly orders?: boolean;
  readonly meddle?: Meddle;
  readonly into?: (link: KmLink, km: SimKm, world: World) => void;
}

const crashes: Wanted = {
  faults: { kinds: ["crash"], meanMs: 300 },
  differ: 0,
  lost: 0,
  refusals: 0,
  vanish: 0,
  pickUp: 20,
  requestMs: 1,
  stops: 0,
};
/** All crashes are stops in order. */
export const orderly: Wanted = { ...crashes, stops: 1, delay: 40 };
const restores: Wanted = {
  ...crashes,
  faults: { kinds: ["copy", "restore", "crash"], meanMs: 300 },
};
const cuts: Wanted = { ...crashes, faults: { kinds: ["cut"], meanMs: 300 } };
/** Without a session for longer than an application waits. */
const clogs: Wanted = { ...cuts, faults: { kinds: ["clog"], meanMs: 1_000 }, delay: 40 };
const calm: Wanted = { faults: { kinds: [], meanMs: 1_000 }, requestMs: 10, vanish: 0 };

/** The change writes a row of this kind that looks so. */
function writes(kind: string, like: RegExp): (change: Change | "put") => boolean {
  return (change) =>
    change !== "put" &&
    (change.rows ?? []).some((row) => row.kind === kind && like.test(row.value?.toString() ?? ""));
}

/** The change writes a row with a key on its way that is so. */
function writesUse(is: (use: Use) => boolean): (change: Change | "put") => boolean {
  return (change) =>
    change !== "put" &&
    (change.rows ?? []).some(
      ({ kind, value }) => kind === "use" && value !== undefined && decodeUses(value).some(is),
    );
}

/** Sends all but these messages. */
function without(type: string): Meddle {
  return (message) => (message.type === type ? [] : [message]);
}

export const plants: readonly Plant[] = [
  {
    name: "no fsync before ACK",
    noSync: writesUse(({ state }) => state === "B"),
    world: crashes,
  },
  {
    name: "no fsync before the master's answer",
    noSync: writesUse(({ state }) => state === "S"),
    world: crashes,
  },
  {
    name: "no fsync before the slave's answer, and a disk put back",
    noSync: writesUse(({ state }) => state === "T"),
    takes: "local",
    world: crashes,
  },
  {
    name: "the witness is not durable",
    noSync: writesUse(({ fate }) => fate === "T"),
    world: { ...restores, keyMs: 5, requestMs: 5, longest: 16, delay: 0.2 },
  },
  {
    name: "no fsync before MATCH",
    noSync: writes("batch", /./),
    world: { ...crashes, keyMs: 0.5 },
  },
  {
    name: "no fsync before COMMIT",
    noSync: writes("extent", /"n":/),
    world: { ...crashes, keyMs: 0.5 },
  },
  {
    name: "success before the key is durable",
    noSync: (change) => change === "put",
    world: { ...crashes, keyMs: 0.5 },
  },
  {
    name: "free on timeout",
    world: { ...cuts, delay: 40 },
    into: ({ books }) => {
      const { step } = books;
      books.step = (use: Use, entry) => {
        if (entry !== "void" || !use.owner) return step.call(books, use, entry);
        for (const key of books.part(use)) books.dropUse(key);
        for (const { extent: number, start } of use.ranges) {
          const extent = books.stock.extent(number);
          const regions = extent?.regions.map((region) => ({
            ...region,
            mark: region.start <= start && start < region.mark ? start : region.mark,
          }));
          if (regions !== undefined) books.stock.setRegions(number, regions);
        }
      };
    },
  },
  {
    name: "the content of ACK is not read",
    world: { ...calm, refusals: 0.5 },
    meddle: (message) =>
      message.type === "ack"
        ? [{ ...message, refused: message.refused.map(() => undefined) }]
        : [message],
  },
  {
    name: "what a late VOID names stays free",
    world: { ...calm, refusals: 0.5 },
    into: ({ books, peer }) => {
      const { heardVoid } = peer;
      const { stock } = books;
      const { markUsed } = stock;
      peer.heardVoid = (message) => {
        stock.markUsed = () => {};
        heardVoid.call(peer, message);
        stock.markUsed = markUsed;
      };
    },
  },
  {
    name: "versions are not told in SYNC",
    world: {
      ...restores,
      faults: { kinds: ["cut", "copy", "restore"], meanMs: 300 },
      limits: { lowWater: 1_000_000, unit: 1 },
      delay: 40,
      requestMs: 20,
    },
    meddle: (message) =>
      message.type === "syncExtents"
        ? [
            {
              ...message,
              extents: message.extents.map((extent) => ({
                ...extent,
                regions: extent.regions.map((region) => ({ ...region, version: 0 })),
              })),
            },
          ]
        : [message],
  },
  {
    name: "ownership in one step",
    world: { ...calm, limits: { lowWater: 4_096, unit: 1 }, requestMs: 5 },
    into: ({ books }) => {
      const { stock } = books;
      const { give } = stock;
      // At once the other's, and nothing is told of it.
      stock.give = (bytes) => {
        for (const gift of give.call(stock, bytes)) stock.given(gift);
        return [];
      };
    },
  },
  {
    name: "the comparison of both books is left out",
    world: restores,
    into: ({ books }) => {
      books.stock.setRegions = () => {};
    },
  },
  {
    name: "VOID is sent once",
    world: { ...cuts, delay: 40, refusals: 0.5 },
    into: ({ owner }) => {
      const { sendVoid } = owner;
      const sent = new Set<string>();
      owner.sendVoid = (use) => {
        if (!sent.has(use.id)) sendVoid.call(owner, use);
        sent.add(use.id);
      };
    },
  },
  {
    name: "a batch is authenticated under the key of the one before",
    world: calm,
    oneTime: true,
    into: (_link, { store }) => {
      const { tagBuffered } = store;
      let last: Buffer | undefined;
      store.tagBuffered = (handles, key, done) => {
        const again = last;
        if (key.text !== undefined) last = Buffer.from(key.key);
        const isOld = key.text !== undefined && again !== undefined;
        tagBuffered.call(store, handles, isOld ? { ...key, key: again } : key, done);
      };
    },
  },
  {
    name: "a key is burnt whose TAKEN was lost with its session",
    world: { ...clogs, pickUp: 20 },
    into: ({ peer }, _km, { clock }) => {
      const { handed } = peer;
      peer.handed = (use, had) => {
        handed.call(peer, use, had);
        if (use.promised) clock.after(1, () => peer.giveUp([use.id]));
      };
    },
  },
  {
    name: "a TAKEN that was lost with its session is not heard of again",
    world: clogs,
    into: ({ peer }) => {
      peer.handed = () => {};
    },
  },
  {
    name: "a key manager that stops tells of no key that its application may never get",
    world: orderly,
    into: ({ peer }) => {
      Object.defineProperty(peer, "inDoubt", { value: 0 });
    },
  },
  { name: "no FATE", world: calm, meddle: without("fate") },
  { name: "no FATEOK", world: calm, meddle: without("fateOk") },
  {
    name: "the slave is served without a witness, and a disk is put back",
    takes: "local",
    world: restores,
  },
  { name: "an old session is heard", stale: true, world: { ...cuts, delay: 40, refusals: 0.3 } },
  {
    name: "the follower matches at once",
    world: { ...crashes, keyMs: 0.5 },
    into: (link, { name }) => {
      if (name !== "b") return;
      const { heard } = link;
      const early = new Set<number>();
      link.heard = (message) => {
        heard.call(link, message);
        if (message.type === "propose") early.add(message.number);
        for (const number of early) heard.call(link, { type: "commit", number });
      };
    },
  },
  {
    name: "the hash is not read",
    world: { ...calm, differ: 0.02 },
    into: (_link, { store }) => {
      const same = Buffer.alloc(16);
      store.tagBuffered = (_handles, _key, done) => done(same);
      store.tagRanges = (_link, _ranges, _key, done) => done(same);
    },
  },
  {
    name: "IDs are forgotten at both ends",
    forgetful: true,
    world: { ...calm, repeats: 0.3, keyMs: 5 },
  },
  {
    name: "a key leaves the buffer before its ID is on record",
    hasty: true,
    world: { ...crashes, faults: { kinds: ["crash"], meanMs: 60 }, repeats: 0.5, keyMs: 0.5 },
  },
  {
    name: "the two ends split a batch another way",
    world: calm,
    meddle: (message) =>
      message.type === "propose"
        ? [{ ...message, split: Math.max(0, message.split - 1) }]
        : [message],
  },
  {
    name: "a mark falls when a row is forgotten",
    world: calm,
    into: ({ books }) => {
      const { dropUse } = books;
      books.dropUse = (use) => {
        dropUse.call(books, use);
        for (const { extent: number, start, end } of use.ranges) {
          const extent = books.stock.extent(number);
          if (extent === undefined) continue;
          const regions = extent.regions.map((region) => ({
            ...region,
            mark: region.mark === end ? start : region.mark,
          }));
          books.stock.setRegions(number, regions);
        }
      };
    },
  },
  {
    name: "both ends lose stock, and tell nothing of it",
    world: cuts,
    into: ({ books: { stock } }) => {
      const { takeBackGifts } = stock;
      stock.takeBackGifts = () => {
        takeBackGifts.call(stock);
        for (const number of [...stock.extents.keys()]) {
          if (number % 5 === 0) stock.voidExtent(number);
        }
      };
    },
  },
  {
    name: "both ends lose keys before they are compared, and tell nothing of it",
    world: calm,
    into: (link) => {
      const { stored } = link;
      link.stored = (keys) => {
        if ((keys.ids[15] as number) % 16 > 0) stored.call(link, keys);
      };
    },
  },
];
