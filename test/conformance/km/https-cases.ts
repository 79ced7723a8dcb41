/** What is HTTP's own (Annex B). */
import { Broken } from "../run.ts";
import type { KmCase } from "./case.ts";
import type { HttpAnswer } from "./https.ts";
import type { Kit } from "./kit.ts";

const https = { binding: "https" } as const;

async function answered(answer: Promise<HttpAnswer | string>, what: string): Promise<HttpAnswer> {
  const said = await answer;
  if (typeof said !== "string") return said;
  throw new Broken(`${what}: ${said === "(silence)" ? "no answer" : "the connection ended"}`);
}

function notSuccess({ status }: HttpAnswer, what: string): void {
  if (status >= 200 && status < 300) throw new Broken(`${what}: answered status ${status}`);
}

async function post(kit: Kit): Promise<HttpAnswer> {
  return answered(kit.http().post(kit.payload(kit.key())), "a key");
}

export const httpsCases: readonly KmCase[] = [
  {
    id: "http-answer",
    title: "an answer is a JSON object with the key's key_ID, status 200 or 201, not compressed",
    ...https,
    async run(kit) {
      const { status, headers } = await post(kit);
      if (status !== 200 && status !== 201) throw new Broken(`answered status ${status}`);
      if (headers["content-encoding"] !== undefined) {
        throw new Broken("the answer is compressed although that was not asked for");
      }
      if (!/\bjson\b/.test(headers["content-type"] ?? "")) {
        kit.note("the answer's Content-Type is not application/json");
      }
    },
  },
  {
    id: "http-keep-alive",
    title: "a connection is kept for the next key: each handshake costs more than a key",
    level: "should",
    ...https,
    async run(kit) {
      const client = kit.http(1);
      for (let i = 0; i < 3; i++) {
        const answer = await answered(client.post(kit.payload(kit.key())), "a key");
        if (i > 0 && !answer.reused) throw new Broken("the KM closes after each answer");
      }
    },
  },
  {
    id: "http-chunked",
    title: "a body whose length is not in the header is read",
    level: "should",
    ...https,
    async run(kit) {
      const answer = await answered(
        kit.http().post(kit.payload(kit.key()), { chunked: true }),
        "a key in chunks",
      );
      if (answer.status !== 200 && answer.status !== 201) {
        throw new Broken(`answered status ${answer.status}`);
      }
    },
  },
  {
    id: "http-cut",
    title: "half a body is no key: it is taken when it comes again",
    ...https,
    async run(kit) {
      for (let i = 0; i < 3; i++) {
        const key = kit.key();
        const answer = await kit.http().post(kit.payload(key), { cut: true });
        if (typeof answer !== "string") notSuccess(answer, "half a body");
        await kit.free(kit.http(), key, "after half of it");
      }
    },
  },
  {
    id: "http-method",
    title: "GET, PUT and DELETE supply nothing",
    ...https,
    async run(kit) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        const key = kit.key();
        const said = await kit.http().post(kit.payload(key), { method });
        if (typeof said !== "string") notSuccess(said, method);
        await kit.free(kit.http(), key, `after ${method}`);
      }
    },
  },
  ...(
    [
      ["http-empty", "an empty body", () => Buffer.alloc(0)],
      ["http-not-json", "a body that is no JSON", () => Buffer.from('{"key_ID": "')],
      ["http-not-object", "a body that is no JSON object", () => Buffer.from("null")],
    ] as const
  ).map(
    ([id, what, body]): KmCase => ({
      id,
      title: `${what} is refused, and the KM goes on`,
      ...https,
      async run(kit) {
        const said = await kit.http().post(body());
        if (said === "(silence)") throw new Broken(`${what}: no answer`);
        if (typeof said !== "string") notSuccess(said, what);
        await kit.alive(`after ${what}`);
      },
    }),
  ),
  {
    id: "http-long",
    title: "a body of 70,000 bytes, with spaces, is read or refused, and the KM goes on",
    level: "should",
    ...https,
    async run(kit) {
      const body = Buffer.concat([Buffer.alloc(70_000, 0x20), kit.payload(kit.key())]);
      const said = await answered(kit.http().post(body), "a long body");
      kit.note(`answered status ${said.status}`);
      await kit.alive("after it");
    },
  },
];
