import test from "ava";
import { hostName, isLoopback, isOurs } from "../../../../src/ops/page/host.ts";
import {
  Attempts,
  forgottenAfterMs,
  Sessions,
  sameSecret,
  sessionMs,
} from "../../../../src/ops/page/login.ts";

test("the name in a Host header, whatever stands around it", (t) => {
  const table: readonly (readonly [string | undefined, string | undefined])[] = [
    ["localhost:8780", "localhost"],
    ["Node-A.example", "node-a.example"],
    ["127.0.0.1:80", "127.0.0.1"],
    ["[::1]:8780", "::1"],
    ["", undefined],
    [undefined, undefined],
    ["a b", undefined],
    ["node@evil", undefined],
    ["node:80:90", undefined],
    ["node/evil", undefined],
  ];
  for (const [header, name] of table) t.is(hostName(header), name, String(header));
});

test("only addresses, localhost and configured names are ours", (t) => {
  const names = ["node-a.example"];
  for (const good of ["localhost:1", "127.0.0.1", "[::1]", "10.0.0.5:8780", "NODE-A.example"]) {
    t.true(isOurs(good, names), good);
  }
  for (const bad of ["evil.example", "node-a.example.evil", "localhost.evil", "", undefined]) {
    t.false(isOurs(bad, names), String(bad));
  }
});

test("loopback is what no other machine can reach", (t) => {
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "::1"]) t.true(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "node", "127.evil", "1127.0.0.1"]) {
    t.false(isLoopback(host), host);
  }
});

test("a login ends by itself, by a logout, and when there are too many", (t) => {
  const sessions = new Sessions();
  const token = sessions.open(0);
  t.true(token.length >= 43);
  t.not(sessions.open(0), token);
  t.is(sessions.until(token, sessionMs - 1), sessionMs);
  t.is(sessions.until(token, sessionMs), undefined);
  t.is(sessions.until("", 0), undefined);
  t.is(sessions.until(`${token}x`, 0), undefined);
  sessions.close(token);
  t.is(sessions.until(token, 0), undefined);
  const first = sessions.open(1);
  for (let i = 0; i < 64; i++) sessions.open(1);
  t.is(sessions.until(first, 2), undefined);
});

test("who gives wrong passwords waits longer and longer, a minute at most, and for a while", (t) => {
  const attempts = new Attempts();
  let now = 0;
  const waits: number[] = [];
  for (let n = 0; n < 14; n++) {
    attempts.failed("a", now);
    waits.push(attempts.wait("a", now) / 1_000);
    now += attempts.wait("a", now);
    t.is(attempts.wait("a", now), 0);
  }
  t.deepEqual(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
  attempts.failed("a", now);
  t.true(attempts.wait("a", now + 1) > 0);
  attempts.failed("a", now + forgottenAfterMs);
  t.is(attempts.wait("a", now + forgottenAfterMs), 0);
});

test("nobody waits for what another did, and the table stays small", (t) => {
  const attempts = new Attempts();
  for (let n = 0; n < 100_000; n++) attempts.failed(`a${n}`, n);
  for (let n = 0; n < 100; n++) attempts.failed("b", 100_000);
  t.is(attempts.wait("c", 100_000), 0);
  t.true(attempts.wait("b", 100_000) > 0);
  t.true(attempts.size <= 4_096);
});

test("secrets are compared whole", (t) => {
  t.true(sameSecret("correct horse", "correct horse"));
  for (const other of ["", "correct hors", "correct horse ", "Correct horse"]) {
    t.false(sameSecret(other, "correct horse"));
  }
});
