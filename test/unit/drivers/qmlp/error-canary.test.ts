/** Errors quote nothing: not in their message, nor in what caused them, nor anywhere inspect looks. */
import { inspect } from "node:util";
import test from "ava";
import { Assembly } from "../../../../drivers/qmlp/assembly.ts";
import { decodeKeyHeader, decodeRefs } from "../../../../drivers/qmlp/blocks.ts";
import { Deframer } from "../../../../drivers/qmlp/deframer.ts";
import { decodeHello } from "../../../../drivers/qmlp/hello.ts";
import { decodeEvent, decodeTelemetry } from "../../../../drivers/qmlp/telemetry.ts";
import { Splitter } from "../../../../drivers/skeleton/messages.ts";
import { describe } from "../../../../src/base/errors.ts";
import { crashReport } from "../../../../src/host/life/crashes.ts";
import { KeyBlock, QkdKey } from "../../../../src/port/key.ts";
import { parseSupplyAnswer, readHttpAnswer } from "../../../../src/wire/kq1/answer.ts";
import { KqDeframer } from "../../../../src/wire/kq1/frame.ts";
import { parseMembers } from "../../../../src/wire/kq1/request.ts";
import { rounds } from "../../../campaign-scale.ts";
import { random } from "../../../random.ts";
import { Canary } from "../../../rig/canary.ts";

const id = "84dec66a-1dda-8876-bf0f-2f4a0d1b3c5e";
const facts = { ref: { epoch: "00112233aabbccdd", number: 1 }, bits: 256, qber: 0.02 };

/** Everything that somebody could print of an error. */
function words(error: unknown): string {
  const own = error instanceof Error ? `${error.message}\n${error.stack}` : "";
  const all = inspect(error, { depth: 10, showHidden: true, maxArrayLength: null });
  return `${own}\n${all}\n${describe(error)}\n${crashReport(error)}`;
}

test("whatever is done to input that carries keys, no error tells of it", (t) => {
  const canary = new Canary();
  const draw = random(5);
  let thrown = 0;
  const attempt = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      thrown++;
      t.false(canary.isInText(words(error)), "an error has something of a key in it");
    }
  };
  const tries = rounds(2_333);
  for (let i = 0; i < tries; i++) {
    const key = canary.key();
    const base64 = key.toString("base64");
    const json = JSON.stringify({ key_ID: id, key: base64, response: base64, number: base64 });
    const at = Math.floor(draw() * json.length);
    const broken = Buffer.from(
      [json.slice(0, at), json.slice(at), `${json.slice(0, at)}"${json.slice(at)}`, base64][
        i % 4
      ] ?? "",
    );
    attempt(() => parseSupplyAnswer(broken));
    attempt(() => readHttpAnswer(200, broken, id));
    attempt(() => parseMembers(broken));
    const body = Buffer.concat([Buffer.from([i & 255, i & 3]), key, key, key]).subarray(i % 7);
    for (const decode of [decodeHello, decodeKeyHeader, decodeTelemetry, decodeEvent]) {
      attempt(() => decode(body));
    }
    attempt(() => decodeRefs(body, "RELEASED"));
    attempt(() => new Assembly(65_536).key(body, { blocks: 9, bytes: 1e6 }));
    attempt(() => new Assembly(65_536).more(body));
    attempt(() => new Deframer(64, () => {}).push(Buffer.concat([body, Buffer.alloc(1), body])));
    attempt(() => new Splitter(() => {}).push(body));
    attempt(() => new KqDeframer(() => {}).push(body));
    attempt(() => new KeyBlock({ ...facts, bits: 999 }, key));
    const wiped = new QkdKey(id, facts, key, 256);
    t.false(canary.isInText(words({ wiped, text: `${wiped}`, json: JSON.stringify({ wiped }) })));
    wiped.wipe();
    attempt(() => wiped.expose());
  }
  t.true(thrown > 2.8 * tries, `${thrown} errors`);
});
