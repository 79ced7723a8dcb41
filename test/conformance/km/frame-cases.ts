/** Frames over TCP (Annex A): cut anywhere, numbered anyhow, and wrong. */
import { Broken } from "../run.ts";
import type { KmCase } from "./case.ts";
import { type Kit, pause } from "./kit.ts";
import { codes, frame, type HeaderParts, headerBytes, maxPayload } from "./message.ts";

const tcp = { binding: "tcp" } as const;

/** A message that cannot be followed: no success for it, and the KM goes on. */
function unfollowable(
  id: string,
  title: string,
  body: (kit: Kit) => Buffer,
  parts?: HeaderParts,
): KmCase {
  return {
    id,
    title,
    ...tcp,
    async run(kit) {
      const other = await kit.tcp();
      const client = await kit.tcp();
      const said = await client.supply(body(kit), parts);
      kit.refused(said, "the message", [], true);
      await kit.taken(other, kit.key(), "a key over a connection that was there before");
      await kit.alive("after the message");
    },
  };
}

export const frameCases: readonly KmCase[] = [
  {
    id: "byte-by-byte",
    title: "a message that comes byte by byte is read",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      const key = kit.key();
      const said = client.answer(1);
      for (const byte of frame(1, kit.payload(key))) {
        client.send(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      kit.success(await said);
    },
  },
  {
    id: "header-apart",
    title: "a header that comes before its payload, and in two halves, is read",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      const bytes = frame(1, kit.payload(kit.key()));
      const said = client.answer(1);
      for (const [from, to] of [
        [0, 5],
        [5, headerBytes],
        [headerBytes, bytes.length],
      ] as const) {
        client.send(bytes.subarray(from, to));
        await pause(60);
      }
      kit.success(await said);
    },
  },
  {
    id: "joined",
    title: "several messages in one packet, the last of them cut, are all read",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      const frames = kit.keys(5).map((key, i) => frame(i, kit.payload(key)));
      const said = frames.map((_, i) => client.answer(i));
      const all = Buffer.concat(frames);
      client.send(all.subarray(0, all.length - 100));
      await pause(100);
      client.send(all.subarray(all.length - 100));
      for (const [i, one] of (await Promise.all(said)).entries()) {
        kit.success(one, `message ${i + 1} of 5`);
      }
    },
  },
  {
    id: "slow-frame",
    title: "a message that takes three seconds to come is read, and others are served meanwhile",
    ...tcp,
    async run(kit) {
      const slow = await kit.tcp();
      slow.extraMs = 5_000;
      const bytes = frame(1, kit.payload(kit.key()));
      const said = slow.answer(1);
      const piece = Math.ceil(bytes.length / 12);
      for (let at = 0; at < bytes.length; at += piece) {
        slow.send(bytes.subarray(at, at + piece));
        await pause(250);
        if (at === 0) await kit.taken(await kit.tcp(), kit.key(), "a key of another connection");
      }
      kit.success(await said);
    },
  },
  {
    id: "half-frame",
    title:
      "half a message and the end of the connection are no key: it is taken when it comes again",
    ...tcp,
    async run(kit) {
      for (const part of [0.02, 0.5, 0.99]) {
        const key = kit.key();
        const bytes = frame(1, kit.payload(key));
        const client = await kit.tcp();
        client.send(bytes.subarray(0, Math.ceil(bytes.length * part)));
        await pause(50);
        client.close();
        await kit.free(await kit.tcp(), key, "after half of it");
      }
    },
  },
  {
    id: "longest-frame",
    title: "a message of 65,535 bytes, the most that Length can say, is read",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      const body = kit.payload(kit.key());
      const long = Buffer.alloc(maxPayload, 0x20);
      body.copy(long, maxPayload - body.length);
      kit.success(await client.supply(long), "a message with spaces before it");
    },
  },
  {
    id: "message-ids",
    title: "an answer carries the MessageID of its message, whatever it is",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      const ids = [0, 1, 255, 256, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 5, 4, 3];
      for (const id of ids) {
        kit.success(await client.supply(kit.payload(kit.key()), {}, id), `MessageID ${id}`);
      }
    },
  },
  {
    id: "message-id-again",
    title: "a MessageID that comes again with another key is another message",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      const keys = kit.keys(2);
      for (const key of keys) kit.success(await client.supply(kit.payload(key), {}, 7));
      // A node that starts anew counts from 0 again, with other keys.
      const other = await kit.tcp();
      const third = kit.key();
      kit.success(await other.supply(kit.payload(third), {}, 7));
      for (const key of [...keys, third]) await kit.holds(other, key, "a key of MessageID 7");
    },
  },
  {
    id: "unread",
    title: "a node that does not read for two seconds gets every answer when it reads again",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      client.extraMs = 5_000;
      client.socket.pause();
      const said = client.supplyAll(kit.keys(3_000).map((key) => kit.payload(key)));
      await pause(2_000);
      await kit.taken(await kit.tcp(), kit.key(), "a key of another connection meanwhile");
      client.socket.resume();
      for (const [i, one] of (await said).entries()) kit.success(one, `key ${i + 1} of 3,000`);
    },
  },
  {
    id: "end",
    title: "a node that ends its side gets what was asked before, and the KM ends its own",
    level: "should",
    ...tcp,
    async run(kit) {
      const client = await kit.tcp();
      const said = client.supplyAll(kit.keys(20).map((key) => kit.payload(key)));
      client.socket.end();
      const gone = await Promise.race([client.closed.then(() => true), pause(10_000)]);
      for (const one of await said) kit.success(one, "a key sent before the end");
      if (gone !== true) throw new Broken("the KM leaves the connection open for 10 s");
    },
  },
  unfollowable(
    "wrong-version",
    "a message of another Version is refused or ends its connection, and no other",
    (kit) => kit.payload(kit.key()),
    { version: 2 },
  ),
  unfollowable(
    "wrong-command",
    "a message with an unknown CommandCode is refused or ends its connection, and no other",
    (kit) => kit.payload(kit.key()),
    { code: 0x00ff },
  ),
  unfollowable("not-json", "a payload that is no JSON is refused or ends its connection", () =>
    Buffer.from('{"key_ID": "'),
  ),
  unfollowable(
    "not-object",
    "a payload that is no JSON object is refused or ends its connection",
    () => Buffer.from("[1, null]"),
  ),
  unfollowable("not-utf8", "a payload that is no UTF-8 is refused or ends its connection", (kit) =>
    Buffer.concat([Buffer.from('{"\xff\xfe":1,', "latin1"), kit.payload(kit.key()).subarray(1)]),
  ),
  unfollowable("no-payload", "a message of Length 0 is refused or ends its connection", () =>
    Buffer.alloc(0),
  ),
  {
    id: "stray-response",
    title: "an answer to nothing harms no other connection",
    ...tcp,
    async run(kit) {
      const other = await kit.tcp();
      const client = await kit.tcp();
      for (const code of [codes.supplyResponse, codes.requestResponse]) {
        client.send(frame(9, Buffer.from('{"response":"success","keys":[]}'), { code }));
      }
      await pause(100);
      await kit.taken(other, kit.key(), "a key of a connection that was there before");
      await kit.alive("after it");
    },
  },
];
