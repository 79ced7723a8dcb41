/** Two nodes whose modules are KMEs that are not ours, to the KMs. */
import anyTest, { type TestFn } from "ava";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { patience } from "../patience.ts";
import { Etsi014Rig } from "../rig/etsi014-rig.ts";
import { twoApplications } from "../rig/two-applications.ts";

const test = anyTest as TestFn;

/** Lines of a log that say when sessions, and the node, began and ended, and what was counted. */
const ofLife = /msg="(keys of the session|starting|running|stopping|stopped|not everything)/;

/** What the driver counted in all sessions of a log. */
function counts(lines: readonly string[]) {
  const sums = { taken: 0, both: 0, lost: 0, unanswered: 0, refused: 0 };
  for (const line of lines.filter((one) => one.includes('msg="keys of the session"'))) {
    for (const [, name, value] of line.matchAll(/(\w+)=(\d+)\b/g)) {
      if (name !== undefined && name in sums) sums[name as keyof typeof sums] += Number(value);
    }
  }
  return sums;
}

test.serial("keys of two KMEs reach two KMs, the same under the same IDs", async (t) => {
  await using rig = await Etsi014Rig.start();
  await rig.pair.ask({ make: 300 });
  await rig.holds(300);
  await rig.settled();
  const { broken, keys, lost } = await rig.audit();
  t.deepEqual(broken, []);
  t.is(keys, 300);
  t.is(lost, 0);
});

testWhole.serial(
  "a cut cable, a KME that is away, a node that is stopped: all goes on after it",
  async (t) => {
    await using rig = await Etsi014Rig.start();
    await rig.pair.ask({ make: 100 });
    await rig.holds(100);
    rig.cable.cut();
    await rig.pair.ask({ make: 100 });
    await rig.holds(200);
    await rig.pair.ask({ down: [0] });
    await rig.nodes.a.logged(/the KME is away/, patience(30_000));
    await rig.pair.ask({ up: [0], make: 100 });
    await rig.holds(300);
    await rig.nodes.b.stop();
    await rig.pair.ask({ make: 100 });
    rig.nodes.b.start();
    await rig.holds(400);
    await rig.settled();
    const { broken, lost } = await rig.audit();
    t.deepEqual(broken, []);
    t.is(lost, 0, "nothing was on its way when it happened");
  },
);

testWhole.serial(
  "answers that are lost, and keys that expire, are keys that neither KM has",
  async (t) => {
    const settings = { cut: 0.1, expire: 0.02, fewer: 0.2, busy: 0.1, chunked: 1, repeat: 0.1 };
    await using rig = await Etsi014Rig.start({ settings, kme: "batch = 16\npatience_s = 0.5" });
    await rig.pair.ask({ make: 400 });
    await rig.settled();
    const { broken, keys, lost } = await rig.audit();
    t.deepEqual(broken, []);
    t.is(keys + lost, 400);
    t.true(lost > 0 && keys > 0);
    // The books of the drivers say the same.
    await Promise.all([rig.nodes.a.stop(), rig.nodes.b.stop()]);
    const { a, b } = rig.nodes;
    const lifeOf = ({ lines }: typeof a) => lines.filter((one) => ofLife.test(one)).join("\n");
    const said = `leader:\n${lifeOf(a)}\nfollower:\n${lifeOf(b)}`;
    // A node that had no time to stop in order said nothing of its last session.
    if (/not everything stopped in time/.test(said)) return t.log(said);
    const [leads, follows] = [counts(a.lines), counts(b.lines)];
    t.is(leads.both, keys, said);
    t.is(follows.both, keys, said);
    t.is(leads.taken, leads.both + leads.lost + leads.refused, said);
    t.is(follows.taken, follows.both, said);
    t.is(leads.lost, follows.lost, said);
    t.true(lost >= leads.lost && lost <= leads.lost + leads.unanswered);
  },
);

testWhole.serial("our own key managers are a third pair of KMEs", async (t) => {
  const { kms, folder } = await twoApplications(t);
  await using rig = await Etsi014Rig.start({
    urls: { a: kms.alice.url, b: kms.bob.url },
    saes: {
      a: { id: "app-a", files: `${folder}/app-a` },
      b: { id: "app-b", files: `${folder}/app-b` },
    },
  });
  await rig.holds(100);
  await eventually("what one KM has is at the other", () => {
    const { a, b } = rig.held();
    return a.size === b.size && [...a].every(([id, digest]) => b.get(id) === digest);
  });
  t.pass();
});
