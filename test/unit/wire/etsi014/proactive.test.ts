import test from "ava";
import {
  isAccepted,
  proactivePathOf,
  writeKeyNotice,
  writeSession,
  writeSessionNotice,
} from "../../../../src/wire/etsi014/proactive.ts";
import { EtsiRefusal } from "../../../../src/wire/etsi014/refusal.ts";

function statusOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof EtsiRefusal)) throw error;
    return error.status;
  }
}

test("paths are those of the page, and what is the standard's is left to it", (t) => {
  const read = (path: string) => statusOf(() => proactivePathOf(path));
  t.deepEqual(read("/api/v1/sessions/app%20b"), { kind: "session", sae: "app b" });
  t.deepEqual(read("/api/v1/notices"), { kind: "listen", waitMs: 30_000 });
  t.deepEqual(read("/api/v1/notices?wait_s=0"), { kind: "listen", waitMs: 0 });
  t.deepEqual(read("/api/v1/notices?wait_s=60&x=1"), { kind: "listen", waitMs: 60_000 });
  t.deepEqual(read("/api/v1/notices/n-1"), { kind: "answer", notice: "n-1" });
  for (const path of [
    "/api/v1/keys/b/enc_keys",
    "/",
    "",
    "/api/v1/sessionsx",
    "/api/v1/noticesx",
  ]) {
    t.is(read(path), undefined, path);
  }
  for (const path of ["/api/v1/sessions", "/api/v1/sessions/", "/api/v1/sessions/%ff"]) {
    t.is(read(path), 400, path);
  }
  for (const path of ["/api/v1/notices/", "/api/v1/notices/n/x", "/api/v1/sessions/b/x"]) {
    t.is(read(path), 404, path);
  }
  for (const wait of ["61", "-1", "1e1", "", "1.5", "5&wait_s=5"]) {
    t.is(read(`/api/v1/notices?wait_s=${wait}`), 400, wait);
  }
});

test("an answer to a session is success or a reason", (t) => {
  const read = (text: string) => statusOf(() => isAccepted(Buffer.from(text)));
  t.is(read('{"response":"success","more":1}'), true);
  t.is(read('{"response":"busy"}'), false);
  for (const text of [
    "",
    "{}",
    '{"response":1}',
    '{"response":""}',
    "[]",
    '{"response":"a","response":"success"}',
  ]) {
    t.is(read(text), 400, text);
  }
});

test("notices are JSON with the session, and keys as a Key container has them", (t) => {
  const head = { id: "n-1", session: 's"1', master: "app-a" };
  const json = (body: Buffer) => JSON.parse(body.toString());
  const members = { notice_ID: "n-1", session_ID: 's"1', master_SAE_ID: "app-a" };
  for (const notice of ["session", "end"] as const) {
    t.deepEqual(json(writeSessionNotice(notice, head)), { ...members, notice });
  }
  t.deepEqual(json(writeSession("s-1")), { session_ID: "s-1" });
  const ids = ["1".repeat(32), "2".repeat(32)];
  const keys = ["01020304", "05060708"].map((hex) => Buffer.from(hex, "hex"));
  t.deepEqual(json(writeKeyNotice(head, ids, keys)), {
    ...members,
    notice: "keys",
    keys: [
      { key_ID: "11111111-1111-1111-1111-111111111111", key: "AQIDBA==" },
      { key_ID: "22222222-2222-2222-2222-222222222222", key: "BQYHCA==" },
    ],
  });
});
