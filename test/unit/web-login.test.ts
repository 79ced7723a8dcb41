import test from "ava";
import { hostName, isLoopback, isOurs } from "../../src/web/host.ts";
import { Attempts, attemptWindowMs, Sessions, sameSecret, sessionMs } from "../../src/web/login.ts";

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

test("five wrong passwords of one address, or sixty of all, are enough for a minute", (t) => {
  const attempts = new Attempts();
  for (let i = 0; i < 5; i++) {
    t.true(attempts.allowed("a", i));
    attempts.failed("a", i);
  }
  t.false(attempts.allowed("a", 10));
  t.true(attempts.allowed("b", 10));
  t.true(attempts.allowed("a", attemptWindowMs));
  for (let i = 0; i < 60; i++) attempts.failed(`x${i}`, attemptWindowMs + 1);
  t.false(attempts.allowed("b", attemptWindowMs + 2));
  t.true(attempts.allowed("b", 3 * attemptWindowMs));
});

test("secrets are compared whole", (t) => {
  t.true(sameSecret("correct horse", "correct horse"));
  for (const other of ["", "correct hors", "correct horse ", "Correct horse"]) {
    t.false(sameSecret(other, "correct horse"));
  }
});
