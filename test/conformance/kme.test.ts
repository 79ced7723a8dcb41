/** The suite for KMEs against two of an afternoon, which pass, and against mistakes, each of which it finds. */
import { readFileSync } from "node:fs";
import test from "ava";
import { CrookedKmes } from "./kme/crooked.ts";
import { dialects } from "./kme/dialects.ts";
import { mistakes } from "./kme/mistakes.ts";
import { createKmePki, type KmePki, kmesAt } from "./kme/rig.ts";
import { casesFor, kmeCases } from "./kme/suite.ts";
import { type Report, runAll } from "./run.ts";

let pki: KmePki;
test.before(async () => {
  pki = await createKmePki();
});

test("the page that says how to test a KM counts them right", (t) => {
  const page = readFileSync(new URL("../../docs/test-your-km.md", import.meta.url), "utf8");
  const [, part = ""] = page.split("## 5. ");
  t.true(part.includes(` ${kmeCases.length} cases in some twenty seconds`));
  t.true(part.includes(` ${mistakes.length} planted mistakes`));
  const rows = [...part.matchAll(/^\| .+ \| (\d+) \|$/gm)].map(([, count]) => Number(count));
  t.is(
    rows.reduce((sum, count) => sum + count, 0),
    kmeCases.length,
  );
});

/** What only a product has. */
const beyond = ["http-idempotency", "multicast-none"];

const found = ({ results }: Report) =>
  results.filter(({ outcome }) => outcome === "failed" || outcome === "noted");

test("KMEs of an afternoon pass: the suite is not made for our own", async (t) => {
  const kmes = new CrookedKmes(pki);
  t.teardown(() => kmes.close());
  const report = await runAll("KMEs", casesFor(kmesAt(pki, await kmes.listen())));
  t.deepEqual(found(report), []);
  const skipped = report.results.filter(({ outcome }) => outcome === "skipped");
  t.deepEqual(skipped.map(({ id }) => id).toSorted(), beyond.toSorted());
  for (const { reason } of skipped) t.regex(reason ?? "", /^not applicable, because /);
});

for (const [mistake, id] of mistakes) {
  test(`KMEs with a mistake (${mistake}) are found by ${id}`, async (t) => {
    const kmes = new CrookedKmes(pki, mistake);
    t.teardown(() => kmes.close());
    const target = kmesAt(pki, await kmes.listen());
    const cases = casesFor(target).filter((one) => one.id === id);
    const report = await runAll("KMEs", cases);
    t.deepEqual(
      found(report).map((one) => one.id),
      [id],
    );
    t.regex(found(report)[0]?.reason ?? "", /\w{3}/);
  });
}

test("a dialect is tolerated and told, and is a failure where none is", async (t) => {
  const kmes = new CrookedKmes(pki, "own words");
  t.teardown(() => kmes.close());
  const ports = await kmes.listen();
  const tolerated = new Set(dialects.map(({ id }) => id));
  const tried = async (target: ReturnType<typeof kmesAt>) => {
    const cases = casesFor(target).filter(({ id }) => id === "enc-size-odd");
    return (await runAll("KMEs", cases)).results[0];
  };
  const good = await tried(kmesAt(pki, ports, { tolerated }));
  t.is(good?.outcome, "passed");
  t.regex(good?.notes[0] ?? "", /tolerated as own-texts$/);
  const bad = await tried(kmesAt(pki, ports));
  t.is(bad?.outcome, "failed");
  t.regex(bad?.reason ?? "", /a text that the standard fixes/);
});

test("without a third SAE and a stranger, cases say why they are not applicable", async (t) => {
  const kmes = new CrookedKmes(pki);
  t.teardown(() => kmes.close());
  const { third, stranger, ...target } = kmesAt(pki, await kmes.listen());
  const needy = kmeCases.filter(({ needs }) => needs !== undefined).map(({ id }) => id);
  const cases = casesFor(target).filter(({ id }) => needy.includes(id));
  const report = await runAll("KMEs", cases);
  t.is(report.skipped, needy.length);
  for (const { reason } of report.results)
    t.regex(reason ?? "", /not applicable, because there is no/);
});
