import test from "ava";
import {
  readAnswer,
  readMessage,
  writeAnswer,
  writeMessage,
} from "../../../src/psk/rotation/messages.ts";

const id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

test("messages and answers are what is documented", (t) => {
  t.is(writeMessage({ act: "offer", id }), `{"offer":"${id}"}\n`);
  t.is(writeAnswer("used"), `{"answer":"used"}\n`);
  t.deepEqual(readMessage(`{"use":"${id}","more":1}`), { act: "use", id });
  t.is(readAnswer(`{"answer":"ready"}`), "ready");
});

test("anything else is refused", (t) => {
  for (const line of [
    "",
    "{",
    "null",
    "[]",
    "7",
    `{"use":1}`,
    `{"offer":"x"}`,
    `{"answer":"no"}`,
  ]) {
    t.throws(() => readMessage(line), { message: /does not speak qkd-psk/ }, line);
    t.throws(() => readAnswer(line), { message: /does not speak qkd-psk/ }, line);
  }
});
