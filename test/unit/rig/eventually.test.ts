import test from "ava";
import { eventually } from "../../eventually.ts";

test("what arrives later is given back when it is there", async (t) => {
  let looks = 0;
  t.is(await eventually("looks", () => ++looks, { atLeast: 50 }), 50);
  t.is(await eventually("a text", async () => "it is here", { matches: /here/ }), "it is here");
  t.deepEqual(await eventually("members", () => ({ a: 1, b: 2 }), { is: { b: 2 } }), {
    a: 1,
    b: 2,
  });
  t.is(await eventually("gone", () => undefined, { is: undefined }), undefined);
  t.is(await eventually("nought", () => 0, { is: 0 }), 0);
});

test("an error is not yet", async (t) => {
  let looks = 0;
  const probe = () => {
    if (++looks < 3) throw new Error("not there");
    return looks;
  };
  t.is(await eventually("the third look", probe), 3);
});

for (const [seen, expected, said] of [
  [7, { is: 8 }, "the thing: not within 0 s; seen last: 7, not 8\nthe log"],
  [7, { atLeast: 8 }, "the thing: not within 0 s; seen last: 7, less than 8\nthe log"],
  [
    "x",
    { matches: /y/ },
    "the thing: not within 0 s; seen last: 'x', which does not match /y/\nthe log",
  ],
  [false, {}, "the thing: not within 0 s; seen last: false\nthe log"],
] as const) {
  test(`what does not come is told with what was seen last: ${seen}, ${JSON.stringify(expected)}`, async (t) => {
    const more = { ...expected, deadlineMs: 0, about: () => "the log" };
    await t.throwsAsync(
      eventually("the thing", () => seen as unknown, more),
      { message: said },
    );
  });
}

test("an error that stays is told", async (t) => {
  const probe = () => {
    throw new Error("nothing listens");
  };
  await t.throwsAsync(eventually("an answer", probe, { deadlineMs: 0 }), {
    message: "an answer: not within 0 s; seen last: nothing listens",
  });
});
