/** A key manager and a QKDN controller over Ck: real processes, TLS, both bindings. */
import test, { type ExecutionContext } from "ava";
import { markExtensions, marksIn } from "../../src/wire/ck/marks.ts";
import type { CkMessageOf } from "../../src/wire/ck/messages.ts";
import type { Service } from "../../src/wire/ck/names.ts";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { patience } from "../patience.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import { type CkNet, startCkNet } from "../rig/ck-net.ts";
import { diamond } from "../rig/km-net.ts";

function client(t: ExecutionContext, { net }: CkNet, name: string): ApplicationClient {
  const km = net.km(name);
  const one = new ApplicationClient(km as never, km.application);
  t.teardown(() => one.close());
  return one;
}

/** Nothing is relayed before it is asked for. */
const onDemand = {
  ...diamond,
  far: [
    {
      ends: ["a", "c"],
      table: (end: string) =>
        end === "a" ? `routing = "controller"\npool = "manual"\nbatch_bits = 8192` : "",
    },
  ],
  sae: (km: string) => (km === "b" ? "sessions = true" : ""),
  relay: (km: string) => (km === "b" || km === "d" ? `transit = [["km-a", "km-c"]]` : ""),
} as const;

test.serial(
  "a controller says which way: it is asked, orders, and is told how it went",
  async (t) => {
    const ck = await startCkNet(t, { ...onDemand, bindings: { a: "tcp", b: "grpc" } });
    await ck.net.feedAll(8);
    const session = await ck.session("a");
    // Links, with what is in stock, and what is no link.
    await eventually("stock is told", () => ck.link("a", "b")?.stock ?? 0, {
      when: (bits) => bits > 0,
    });
    t.true(ck.link("a", "b")?.up);
    t.is(ck.link("a", "c"), undefined);
    await ck.session("b");
    await eventually("b tells its links over gRPC", () => ck.link("b", "c")?.up, { is: true });
    t.deepEqual(ck.state("a").applications, ["app-a"]);
    t.like(ck.state("a").pairs.at(-1), { peer: "km-c", routing: "controller", scheme: "case-2" });

    // An application asks: the KM asks for a route, relays by it, and tells (Q.4164 §7.2).
    const [a, c] = [client(t, ck, "a"), client(t, ck, "c")];
    const given = a.encKeys("app-c", 2);
    const { message, reply } = await ck.asked("relayNotification");
    t.like(message, { sourceKma: "km-a", destinationKma: "km-c" });
    t.true((marksIn(message).bits ?? 0) >= 512);
    const response = (await reply({
      type: "relayRequest",
      transitKmas: ["km-b"],
      requestId: "relay-1",
    })) as CkMessageOf<"relayResponse">;
    t.like(response, { response: "success", requestId: "relay-1" });
    t.true((marksIn(response).bits ?? 0) > 0);
    const keys = heldKeys(await given);
    t.is(keys.length, 2);
    t.deepEqual(
      heldKeys(
        await c.decKeys(
          "app-a",
          keys.map(({ id }) => id),
        ),
      ),
      keys,
    );

    // The controller begins by itself: another way, and so many bits by it.
    const before = (await ck.net.km("d").status()).relay?.passed.bits ?? 0;
    const ordered = await session.request(
      {
        type: "relayRequest",
        sourceKma: "km-a",
        destinationKma: "km-c",
        transitKmas: ["km-d"],
        requestId: "relay-2",
        extension: markExtensions({ bits: 20_000, withinS: 20 }),
      },
      20_000,
    );
    t.like(ordered.message, { response: "success", requestId: "relay-2" });
    t.true((marksIn(ordered.message).bits ?? 0) >= 20_000);
    const after = (await ck.net.km("d").status()).relay?.passed.bits ?? 0;
    t.true(after - before >= 20_000);
    const status = await ck.net.km("a").status();
    t.deepEqual(status.relay?.pairs[0]?.route, ["km-d"]);
    t.like(status.controllers?.[0], { name: "one", connected: true, asked: true, standby: false });

    // Sessions (Q.4160 I.2): of b's application, at a. Ended, it is asked for anew; a refusal is one.
    const b = client(t, ck, "b");
    const inSession = b.encKeys("app-a");
    const asked = await ck.asked("sessionRequest");
    t.like(asked.message, { sourceApp: "app-b", destinationApp: "app-a" });
    const applications = { sourceApp: "app-b", destinationApp: "app-a", sessionId: "session-1" };
    const notified = await session.request({
      type: "sessionNotification",
      ...applications,
      sourceKm: "km-b",
    });
    t.like(notified.message, { sessionId: "session-1", response: "success" });
    await asked.reply({
      type: "sessionResponse",
      sessionId: "session-1",
      response: "success",
      destinationKm: "km-a",
    });
    t.is(heldKeys(await inSession).length, 1);
    t.is(heldKeys(await b.encKeys("app-a")).length, 1);
    await eventually(
      "both KMs tell the session",
      () => ck.state("b").sessions.concat(ck.state("a").sessions),
      {
        when: (all) =>
          ["source", "destination"].every((role) =>
            all.some((one) => one.id === "session-1" && one.role === role),
          ),
      },
    );
    const end = await (await ck.session("b")).request({
      type: "sessionNotification",
      ...applications,
      sourceKm: "km-b",
      extension: markExtensions({ ended: true }),
    });
    t.is(end.message.response, "success");
    const refused = b.encKeys("app-a");
    await (await ck.asked("sessionRequest")).reply({
      type: "sessionResponse",
      response: "unauthorized",
    });
    t.is((await refused).status, 401);
    await eventually("what they used is told", () => ck.state("b").usage.at(-1), {
      is: { applications: ["app-b", "app-a"], peer: "km-a", keys: 2, bits: 512, refused: 1 },
    });
    // One that has no room for a session allows none. The refusal before is believed for two seconds.
    const busy = ck.asked("sessionRequest").then((again) => {
      return again.reply({ type: "sessionResponse", response: "busy" });
    });
    const answer = async () => (await b.encKeys("app-a")).status;
    await eventually("no room for a session", answer, { is: 503 });
    await busy;

    // What is no order of this KM's, and what its configuration does not let it do.
    const order = async (to: "a" | "b", fields: Partial<CkMessageOf<"relayRequest">>) => {
      const answer = await (await ck.session(to)).request({
        type: "relayRequest",
        destinationKma: "km-c",
        transitKmas: ["km-b"],
        ...fields,
      });
      return answer.message.response;
    };
    t.is(await order("a", { destinationKma: "km-x" }), "unknown_kma");
    t.is(await order("a", { destinationKma: "km-b" }), "not_supported");
    t.is(await order("a", { sourceKma: "km-b" }), "unknown_kma");
    t.is(await order("a", { transitKmas: [] }), "no_route");
    t.is(await order("a", { transitKmas: ["km-x"] }), "no_route");
    t.is(await order("a", { transitKmas: ["km-b", "km-b"] }), "invalid_message");
    t.is(await order("b", {}), "not_supported");

    // Without a controller what is known goes on, also after a restart.
    await ck.controller.close();
    await eventually("it is alone", async () => (await ck.net.km("a").status()).controllers, {
      when: (controllers) => controllers?.[0]?.connected === false,
    });
    const { process } = ck.net.km("a");
    await process.stop();
    process.start();
    await process.logged(/msg="running"/, patience(20_000));
    await eventually("its links are up", async () => (await ck.net.km("a").status()).links, {
      when: (links) => links.every((link) => link.session === "ready"),
    });
    const again = client(t, ck, "a");
    t.is(heldKeys(await again.encKeys("app-c", 30)).length, 30);
    t.deepEqual((await ck.net.km("a").status()).relay?.pairs[0]?.route, ["km-d"]);
  },
);

/** In a row; `a` and `d` hop by hop, `a` and `c` as the controller says. */
const row = {
  kms: ["a", "b", "c", "d"],
  fibres: [
    ["a", "b"],
    ["b", "c"],
    ["c", "d"],
  ],
  far: [
    {
      ends: ["a", "d"],
      table: (end: string) =>
        end === "a" ? `routing = "next_hop"\npool = "manual"\nbatch_bits = 8192` : "",
    },
    {
      ends: ["a", "c"],
      table: (end: string) =>
        end === "a"
          ? `routing = "controller"\nscheme = "case-1"\npool = "manual"\nbatch_bits = 8192`
          : "",
    },
  ],
  relay: (km: string) =>
    km === "b" || km === "c"
      ? `next_hop = true\ntransit = [["km-a", "km-d"], ["km-a", "km-c"]]`
      : "",
} as const;

// In the short run the demo has a controller, and unit/km/controllers all that it orders.
testWhole.serial(
  "each KM on the way asks for the next hop; keys are reserved, relayed and allocated",
  async (t) => {
    const ck = await startCkNet(t, { ...row, bindings: { a: "grpc", b: "tcp", c: "grpc" } });
    await ck.net.feedAll(8);
    const [toA, toB] = [await ck.session("a"), await ck.session("b")];
    await ck.session("c");
    for (const [km, peer] of [
      ["a", "b"],
      ["b", "c"],
      ["c", "d"],
    ] as const) {
      await eventually(`stock of ${km} and ${peer}`, () => ck.link(km, peer)?.stock ?? 0, {
        atLeast: 16_384,
      });
    }

    // Q.4160 I.3: a asks, then b; from c on there is a fibre.
    const [a, d] = [client(t, ck, "a"), client(t, ck, "d")];
    const asked = new Set<string>();
    ck.controller.nextHops = (km, { sourceKma, destinationKma }) => {
      asked.add(`${km}: ${sourceKma} ${destinationKma}`);
      // Not back to where it came from.
      return km === "km-a" ? ["km-x", "km-b"] : ["km-a", "km-c"];
    };
    // A KM waits for 2 s for a controller's answer: on a busy machine it asks another time.
    const keys = await eventually("a key for d", async () => heldKeys(await a.encKeys("app-d")), {
      when: ({ length }) => length === 1,
    });
    t.deepEqual([...asked].sort(), ["km-a: km-a km-d", "km-b: km-a km-d"]);
    const fetched = await d.decKeys("app-a", [keys[0]?.id as string]);
    t.deepEqual(heldKeys(fetched), keys);
    t.deepEqual(ck.controller.asked, []);
    t.deepEqual(
      (await ck.net.km("a").status()).relay?.pairs.find((one) => one.link === "d")?.route,
      ["km-b"],
    );
    t.true(((await ck.net.km("c").status()).relay?.passed.relays ?? 0) > 0);

    // A link that is put out of service lends no pad; what is in stock goes on.
    const serve = async (service: Service) => {
      const answer = await toA.request({
        type: "relayRequest",
        sourceKma: "km-a",
        destinationKma: "km-b",
        transitKmas: [],
        extension: markExtensions({ service }),
      });
      t.is(answer.message.response, "success");
      await eventually("the link tells it", () => ck.link("a", "b")?.service ?? "in_service", {
        is: service,
      });
    };
    const one = {
      type: "relayRequest",
      destinationKma: "km-c",
      transitKmas: ["km-b"],
      extension: markExtensions({ bits: 512 }),
    } as const;
    await serve("out_of_service");
    t.is((await toA.request(one)).message.response, "relay_failed");
    // One that is reserved is for routes that a controller gave.
    await serve("reserved");
    const relayedBits = 512;
    t.is((await toA.request(one)).message.response, "success");
    await serve("standby");
    t.is((await toA.request(one)).message.response, "relay_failed");
    t.is(heldKeys(await a.encKeys("app-b")).length, 1);
    await serve("in_service");

    // Q.4160 I.4b: reserved at a, relayed by b, allocated at a.
    const ends = { sourceKma: "km-a", destinationKma: "km-c" } as const;
    const stock = async (km: string, peer: string) => {
      const { links } = await ck.net.km(km).status();
      return links.find((link) => link.peer === `km-${peer}`)?.matched_bits ?? 0;
    };
    const reserved = await toA.request({
      type: "reservationRequest",
      ...ends,
      extension: markExtensions({ bits: 16_000, next: "km-b" }),
    });
    t.is(reserved.message.response, "success");
    const { keyIds = [] } = reserved.message;
    t.is(keyIds.length, 2);
    // No message can tell such a way: nothing is used for it, and the key manager goes on.
    const tooFar = await toB.request({
      type: "relayRequest",
      ...{ sourceKma: "km-a", destinationKma: "km-d" },
      transitKmas: ["km-b", "km-c", ...Array.from({ length: 32 }, (_, i) => `km-${i}`)],
      extension: markExtensions({ reserved: keyIds[0] as string }),
    });
    t.is(tooFar.message.response, "no_route");
    for (const [i, id] of keyIds.entries()) {
      const relayed = await toB.request({
        type: "relayRequest",
        ...ends,
        transitKmas: ["km-b"],
        requestId: `relay-${i}`,
        extension: markExtensions({ reserved: id }),
      });
      t.like(relayed.message, { response: "success", requestId: `relay-${i}` });
      t.is(marksIn(relayed.message).bits, 8_192);
      // S4: what was used is not used again.
      const again = await toB.request({
        type: "relayRequest",
        ...ends,
        transitKmas: ["km-b"],
        extension: markExtensions({ reserved: id }),
      });
      t.is(again.message.response, "relay_failed");
    }
    await eventually("what went by the reserved link is all", () => stock("a", "c"), {
      is: relayedBits,
    });
    const allocated = await toA.request({ type: "allocationRequest", ...ends, keyIds });
    t.deepEqual(allocated.message, {
      type: "allocationResponse",
      ...ends,
      keyIds,
      response: "success",
    });
    await eventually(
      "both ends share it",
      async () => [await stock("a", "c"), await stock("c", "a")],
      {
        is: [16_384 + relayedBits, 16_384 + relayedBits],
      },
    );
    const twice = await toA.request({ type: "allocationRequest", ...ends, keyIds });
    t.is(twice.message.response, "unknown_key_id");
    const elsewhere = await toB.request({ type: "reservationRequest", ...ends });
    t.is(elsewhere.message.response, "unknown_kma");
  },
);
