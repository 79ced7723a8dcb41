/** The suite for KMs against our own KM, which passes, and against mistakes, each of which it finds. */
import test from "ava";
import { KeyManager } from "../emulator/km/index.ts";
import { misbehaviours } from "../emulator/km/misbehaviours.ts";
import { each, isShort } from "../whole-run.ts";
import { CrookedKm, type Mistakes } from "./km/crooked.ts";
import { createPki, type Pki, targetAt } from "./km/rig.ts";
import { casesFor, kmCases } from "./km/suite.ts";
import type { Binding, Target } from "./km/target.ts";
import { type Report, runAll } from "./run.ts";

let pki: Pki;
test.before(async () => {
  pki = await createPki();
});

/** Runs these cases, or all. */
async function tried(target: Target, ids?: readonly string[]): Promise<Report> {
  const cases = casesFor(target).filter(({ id }) => ids === undefined || ids.includes(id));
  return runAll("a KM", cases);
}

const found = ({ results }: Report) =>
  results.filter(({ outcome }) => outcome === "failed" || outcome === "noted");

test("cases have names of their own, and there are as many as were promised", (t) => {
  const ids = kmCases.map(({ id }) => id);
  t.is(new Set(ids).size, ids.length);
  for (const binding of ["tcp", "https"] as const) {
    t.true(kmCases.filter((one) => [undefined, binding].includes(one.binding)).length >= 50);
  }
});

const bindings = each(["tcp", "https"] as const);

for (const binding of bindings) {
  test(`our own KM passes all of it over ${binding}, restarts included`, async (t) => {
    const km = new KeyManager({ security: pki.km, binding });
    const port = await km.listen();
    t.teardown(() => km.close());
    const restart = async () => {
      await km.stop();
      await km.listen();
    };
    const { results, skipped } = await tried(targetAt(pki, binding, port, { restart }));
    for (const { id, outcome, reason } of results) t.is(outcome, "passed", `${id}: ${reason}`);
    t.is(skipped, 0);
  });

  test(`a KM of an afternoon passes too over ${binding}: it is not made for our own`, async (t) => {
    const km = new CrookedKm(pki, binding, {});
    const port = await km.listen();
    t.teardown(() => km.close());
    const restart = () => km.restart();
    const { results } = await tried(targetAt(pki, binding, port, { restart }));
    for (const { id, outcome, reason } of results) t.is(outcome, "passed", `${id}: ${reason}`);
  });
}

/** A mistake, the case that must find it, and where it can be made. */
const planted: readonly (readonly [Mistakes, string, ...Binding[]])[] = [
  [{ store: "forgets" }, "conflict"],
  [{ store: "refuses repeats" }, "repeat"],
  [{ store: "refuses repeats" }, "repeat-race"],
  [{ store: "takes conflicts" }, "conflict"],
  [{ store: "overwrites" }, "conflict-kept"],
  [{ store: "compares lengths only" }, "conflict"],
  [{ store: "compares the first 16 bytes" }, "long-key"],
  [{ store: "compares the first 16 bytes" }, "conflict-length"],
  [{ store: "compares times" }, "repeat-facts"],
  [{ store: "stores before it checks" }, "bad-base64"],
  [{ store: "stores late" }, "restart-middle"],
  [{ store: "forgets at restart" }, "restart-kept"],
  [{ store: "forgets at restart" }, "restart-middle"],
  [{ check: "no hash" }, "hash-mismatch"],
  [{ check: "no hash" }, "among-good"],
  [{ check: "needs a hash" }, "without-hash"],
  [{ check: "needs a time" }, "without-time"],
  [{ check: "needs a QBER" }, "without-qber"],
  [{ check: "times of this century only" }, "far-times"],
  [{ check: "length in bytes" }, "supply"],
  [{ check: "whole bytes only" }, "odd-lengths"],
  [{ check: "any base64" }, "bad-base64"],
  [{ check: "any base64" }, "bad-length"],
  [{ check: "no padding" }, "bad-padding"],
  [{ check: "empty keys" }, "empty-key"],
  [{ check: "no ID" }, "no-id"],
  [{ check: "no ID" }, "number-for-text"],
  [{ check: "known members only" }, "unknown-members"],
  [{ check: "32 KiB" }, "long-key"],
  [{ check: "32 KiB" }, "longest-frame", "tcp"],
  [{ says: "OK" }, "supply"],
  [{ says: "no key_ID" }, "supply", "https"],
  [{ says: "another key_ID" }, "supply"],
  [{ says: "an own word for modules" }, "unknown-module", "tcp"],
  [{ says: "everything twice" }, "window", "tcp"],
  [{ says: "nothing to refusals" }, "hash-mismatch"],
  [{ says: "nothing to refusals" }, "not-json", "tcp"],
  [{ says: "status only" }, "supply", "https"],
  [{ says: "compressed" }, "http-answer", "https"],
  [{ says: "success with 500" }, "supply", "https"],
  [{ frames: "a chunk is a message" }, "byte-by-byte", "tcp"],
  [{ frames: "a chunk is a message" }, "header-apart", "tcp"],
  [{ frames: "one message a chunk" }, "joined", "tcp"],
  [{ frames: "one message a chunk" }, "window", "tcp"],
  [{ frames: "16 bit MessageID" }, "message-ids", "tcp"],
  [{ frames: "signed MessageID" }, "message-ids", "tcp"],
  [{ frames: "counts MessageIDs" }, "message-id-again", "tcp"],
  [{ frames: "one connection waits for another" }, "slow-frame", "tcp"],
  [{ frames: "falls over nonsense" }, "wrong-version", "tcp"],
  [{ frames: "falls over nonsense" }, "stray-response", "tcp"],
  [{ frames: "hangs up when asked much" }, "window", "tcp"],
  [{ frames: "keeps connections open" }, "end", "tcp"],
  [{ tls: "anybody" }, "tls-nobody"],
  [{ tls: "any certificate" }, "tls-stranger"],
  [{ tls: "any certificate" }, "tls-impostor"],
  [{ tls: "TLS 1.2" }, "tls-12"],
  [{ tls: "20 connections" }, "tls-half"],
  [{ http: "any method" }, "http-method", "https"],
  [{ http: "closes" }, "http-keep-alive", "https"],
  [{ http: "half a body" }, "http-cut", "https"],
];

/** A short run plants every other. */
const sown = planted.filter((_, i) => !isShort || i % 2 === 0);

for (const [mistake, id, ...only] of sown) {
  const [[where, what] = []] = Object.entries(mistake);
  for (const binding of only.length === 0 ? bindings : only) {
    test(`a KM with a mistake (${where}: ${what}) is found over ${binding} by ${id}`, async (t) => {
      const km = new CrookedKm(pki, binding, mistake);
      const port = await km.listen();
      t.teardown(() => km.close());
      const restart = () => km.restart();
      // Where nothing is answered, it is known soon; on a slow machine it is found all the more. But a
      // handshake that is late must not pass for one that is refused.
      const answerMs = where === "tls" ? 10_000 : 1_000;
      const report = await tried(targetAt(pki, binding, port, { restart, answerMs }), [id]);
      t.deepEqual(
        found(report).map((one) => one.id),
        [id],
      );
      t.regex(found(report)[0]?.reason ?? "", /\w{3}/);
    });
  }
}

/** Slow, or in another order, is no mistake. */
const allowed = ["slow", "slow-answers", "out-of-order"];

for (const binding of bindings) {
  test(`whatever scripts/km can be told to do wrong is found over ${binding}, and what is only slow is not`, async (t) => {
    for (const [name, misbehave] of Object.entries(misbehaviours)) {
      const km = new KeyManager({ security: pki.km, binding });
      km.behave(misbehave(1_000));
      const port = await km.listen();
      t.teardown(() => km.close());
      const good = allowed.includes(name);
      const answerMs = good ? 20_000 : 1_000;
      const report = await tried(targetAt(pki, binding, port, { answerMs }), [
        "supply",
        "among-good",
      ]);
      // Over HTTPS a node takes no notice of MessageIDs, and of what comes after an answer.
      const unseen = binding === "https" && ["twice"].includes(name);
      if (!unseen)
        t.is(found(report).length > 0, !good, `${name}: ${JSON.stringify(report.results)}`);
    }
  });
}
