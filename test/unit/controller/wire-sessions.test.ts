/** Sessions of applications over the wire: a source and a destination at a real door, with the controller's core behind it. */
import test from "ava";
import type { CkLinkOptions } from "../../../src/km/io/ck-link.ts";
import type { CkAsked, CkSession } from "../../../src/wire/ck/session.ts";
import { rounds } from "../../campaign-scale.ts";
import { eventually } from "../../eventually.ts";
import { wireController } from "../../rig/wire-controller.ts";

/** Requests of one KM without an answer; 256 are the most that a side may have. */
const together = 64;

test("ten thousand sessions are created over both bindings, and all of them end when one is taken back", async (t) => {
  const count = rounds(10_000);
  const { defaultRules } = await import("../../../src/controller/policy/network.ts");
  const controller = await wireController(["km-a", "km-b"], {
    rules: { ...defaultRules, sessions: count, sessionsOfApplication: count },
  });
  t.teardown(() => controller.close());
  let notified = 0;
  let ended = 0;
  const answer = ({ message, reply }: CkAsked) => {
    if (message.type !== "sessionNotification") return;
    if (message.extension?.some((one) => one.ended === true)) ended++;
    else notified++;
    const { sessionId } = message;
    reply({ type: "sessionNotificationResponse", sessionId, response: "success" }).catch(() => {});
  };
  const sessions = new Map<string, CkSession>();
  const handlers = (km: string): CkLinkOptions["handlers"] => ({
    onSession: (session) => sessions.set(km, session),
    onCommand: answer,
    onEnd: () => {},
  });
  const applications = (...ids: string[]) => [{ applications: { ids } }];
  await controller.km("km-a", handlers("km-a"), applications("app-a"));
  await controller.km("km-b", handlers("km-b"), applications("app-b"), "grpc");
  await eventually("both are attached", () => sessions.size, { is: 2 });
  const source = sessions.get("km-a") as CkSession;
  const ids = new Set<string>();
  const create = async () => {
    const ends = { sourceApp: "app-a", destinationApp: "app-b" } as const;
    const { message } = await source.request({ type: "sessionRequest", ...ends });
    if ("sessionId" in message && message.sessionId !== undefined) ids.add(message.sessionId);
    return message.response;
  };
  for (let made = 0; made < count; made += together) {
    const some = Array.from({ length: Math.min(together, count - made) }, create);
    const answers = await Promise.all(some);
    t.true(
      answers.every((one) => one === "success"),
      `${answers}`,
    );
  }
  t.is(ids.size, count);
  t.is(notified, count);
  t.is(controller.network.status().open_sessions, count);
  t.is(await create(), "busy", "one more has no place");

  controller.network.core.revoke("application", "app-b", "a test");
  await eventually("both key managers hear of every end", () => ended, { is: 2 * count });
  t.is(controller.network.status().open_sessions, 0);
});
