/** Mistakes that are planted into relays, of which each must be found: `npm test -- test/unit/km/relay`. */
import type { Pad, RelayLink } from "../../../src/km/relay/ports.ts";
import type { NetPlant } from "./story.ts";

/** A way of which one method is another. */
export function withOther(way: RelayLink, other: Partial<RelayLink>): RelayLink {
  return {
    peer: way.peer,
    get ready() {
      return way.ready;
    },
    get longest() {
      return way.longest;
    },
    lend: (...all) => way.lend(...all),
    claim: (...all) => way.claim(...all),
    send: (message) => way.send(message),
    refuse: (id, use) => way.refuse(id, use),
    release: (relay) => way.release(relay),
    keep: (...all) => way.keep(...all),
    drop: (relay) => way.drop(relay),
    ...other,
  };
}

export const plants: readonly NetPlant[] = [
  {
    name: "a pad is lent for two messages",
    way: (way) => {
      let last: Pad | undefined;
      let since = 0;
      return withOther(way, {
        lend(length, use, deadline, done) {
          const again = last;
          if (again !== undefined && again.bytes.length === length && ++since % 4 === 0) {
            return done({ id: again.id, bytes: Buffer.from(again.bytes) });
          }
          way.lend(length, use, deadline, (pad) => {
            if (typeof pad !== "string") last = { id: pad.id, bytes: Buffer.from(pad.bytes) };
            done(pad);
          });
        },
      });
    },
  },
  {
    name: "a pad is claimed as often as it is named",
    faults: { doubled: 0.4, late: 0.6, meanMs: 0 },
    way: (way) => {
      const kept = new Map<string, Buffer>();
      return withOther(way, {
        claim(id, use, done) {
          const name = id.toString("hex");
          const known = kept.get(name);
          if (known !== undefined) return done(Buffer.from(known));
          way.claim(id, use, (bytes) => {
            if (bytes !== undefined) kept.set(name, Buffer.from(bytes));
            done(bytes);
          });
        },
      });
    },
  },
  {
    name: "the tag of a message is not of a secret",
    faults: { changed: 0.2, doubled: 0 },
    forges: true,
  },
  {
    name: "a relay that hears nothing is never given up",
    faults: { lost: 0.2 },
    world: (world) => ({
      me: world.me,
      link: (peer) => world.link(peer),
      now: () => 0,
      wall: () => world.wall(),
      random: (length) => world.random(length),
      keyBits: (...all) => world.keyBits(...all),
      mayPass: (...all) => world.mayPass(...all),
      mayKeep: (...all) => world.mayKeep(...all),
      tell: (event) => world.tell(event),
      odd: (message) => world.odd(message),
    }),
  },
  {
    name: "a pad is used before it is on the disk of either end",
    faults: { meanMs: 60, kinds: ["crash", "crash", "copy", "restore"] },
    noSync: () => true,
  },
];
