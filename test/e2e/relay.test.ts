/** Keys between KMs that share no fibre: real processes, TLS, applications. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { patience } from "../patience.ts";
import { ApplicationClient, heldKeys } from "../rig/application.ts";
import { diamond, KmNet, type KmNetOptions } from "../rig/km-net.ts";
import { programPath } from "../rig/programs.ts";
import { each } from "../whole-run.ts";

async function network(t: ExecutionContext, options: Omit<KmNetOptions, "folder">): Promise<KmNet> {
  const folder = await mkdtemp(`${tmpdir()}/qkd-relay-`);
  t.teardown(() => rm(folder, { recursive: true }));
  const net = await KmNet.make({ folder, ...options });
  t.teardown(() => net.stop());
  await net.start(patience(30_000));
  return net;
}

function client(t: ExecutionContext, net: KmNet, name: string): ApplicationClient {
  const km = net.km(name);
  const one = new ApplicationClient(km as never, km.application);
  t.teardown(() => one.close());
  return one;
}

async function linkTo(net: KmNet, name: string, peer: string) {
  const { links } = await net.km(name).status();
  return links.find((link) => link.peer === peer);
}

/** Before there is any key, so that nothing fails because a link was not there yet. */
async function linked(net: KmNet, ...links: readonly (readonly [string, string])[]): Promise<void> {
  for (const [name, peer] of links) {
    await eventually(`${name} is linked to ${peer}`, () => linkTo(net, name, peer), {
      when: (link) => link?.session === "ready",
    });
  }
}

/** A link is up, and has stock if there is a fibre under it. */
async function ready(net: KmNet, name: string, peer: string): Promise<void> {
  await eventually(`${name} is linked to ${peer}`, () => linkTo(net, name, peer), {
    when: (link) =>
      link?.session === "ready" && (link.modules?.length === 0 || link.stock_bits > 0),
  });
}

/** What is relayed is stock. */
async function pool(net: KmNet, name: string, peer: string): Promise<void> {
  await eventually(`${name} has stock with ${peer}`, () => linkTo(net, name, peer), {
    when: (link) => (link?.stock_bits ?? 0) >= 8_192,
  });
}

/** Three in a row, of which the middle has no applications, and no door for any. */
function row(table: (end: string) => string): Omit<KmNetOptions, "folder"> {
  return {
    kms: ["a", "b", "c"],
    fibres: [
      ["a", "b"],
      ["b", "c"],
    ],
    far: [{ ends: ["a", "c"], table }],
    bare: (km) => km === "b",
    relay: (km) => (km === "b" ? `transit = [["km-a", "km-c"]]` : ""),
  };
}

for (const scheme of each(["case-1", "case-2", "destination"])) {
  test.serial(
    `applications of KMs without a fibre between them share keys: ${scheme}`,
    async (t) => {
      const net = await network(
        t,
        row((end) =>
          end === "a"
            ? `routes = [["km-b"]]\nscheme = "${scheme}"\nlow_bits = 65536\nbatch_bits = 16384`
            : "",
        ),
      );
      await net.feedAll(16);
      const stock = async () => {
        const status = await net.km("a").status();
        return status.links.find(({ peer }) => peer === "km-c");
      };
      await eventually("a pool is there", stock, {
        when: (link) => (link?.stock_bits ?? 0) >= 8_192,
      });
      const [a, c] = [client(t, net, "a"), client(t, net, "c")];
      const given = heldKeys(await a.encKeys("app-c", 3));
      t.is(given.length, 3);
      const ids = given.map(({ id }) => id);
      t.deepEqual(heldKeys(await c.decKeys("app-a", ids)), given);
      t.is((await c.decKeys("app-a", ids)).status, 400);
      // The other way round, out of the other half.
      const back = heldKeys(await c.encKeys("app-a", 2));
      t.is(back.length, 2);
      t.deepEqual(
        heldKeys(
          await a.decKeys(
            "app-c",
            back.map(({ id }) => id),
          ),
        ),
        back,
      );
      const { relay } = await net.km("a").status();
      t.is(relay?.pairs[0]?.methods[0]?.scheme, scheme);
      t.true(((await net.km("b").status()).relay?.passed.relays ?? 0) > 0);
    },
  );
}

test.serial("a key for which there is no pool is relayed when it is asked for", async (t) => {
  const net = await network(t, {
    ...row((end) =>
      end === "a" ? `routes = [["km-b"]]\npool = "manual"\nbatch_bits = 16384` : "",
    ),
    // A busy machine takes its time.
    relay: (km) => `within_s = 15${km === "b" ? `\ntransit = [["km-a", "km-c"]]` : ""}`,
    door: "answer_timeout_s = 15\n",
  });
  await net.feedAll(16);
  await ready(net, "a", "km-b");
  await ready(net, "b", "km-c");
  await ready(net, "a", "km-c");
  const [a, c] = [client(t, net, "a"), client(t, net, "c")];
  const km = (...words: string[]) =>
    spawnSync(programPath("qkd-km"), [...words, "--config", `${net.km("a").state}.toml`], {
      encoding: "utf8",
    });
  t.is((await linkTo(net, "a", "km-c"))?.matched_bits, 0);
  for (let i = 0; i < 4; i++) {
    const given = heldKeys(await a.encKeys("app-c"));
    t.is(given.length, 1);
    t.deepEqual(heldKeys(await c.decKeys("app-a", [given[0]?.id as string])), given);
  }
  // More than one relay may bring goes in several.
  t.is(heldKeys(await a.encKeys("app-c", 64)).length, 64);
  // An operator has more of it brought.
  const ordered = km("relay", "--link", "c", "--bits", "65536");
  t.is(ordered.status, 0, ordered.stderr);
  await eventually("what was ordered is there", () => linkTo(net, "a", "km-c"), {
    when: (link) => (link?.matched_bits ?? 0) > 65_536 + 32_768,
  });
  t.regex(km("status").stdout, /^c +case-2 .* 0$/m);
  t.not(km("relay", "--link", "b", "--bits", "65536").status, 0);
  t.is(km("relay", "--link", "c", "--bits", "many").status, 64);
  const tooMuch = km("relay", "--link", "c", "--bits", "16777216");
  t.not(tooMuch.status, 0);
  t.regex(tooMuch.stderr, /link\.c\.relay\.high_bits is 16777216: .* room for \d+ bits/);
});

testWhole.serial(
  "a route that fails is passed over for the next, and where it failed is told",
  async (t) => {
    const net = await network(t, {
      ...diamond,
      far: [
        {
          ends: ["a", "c"],
          table: (end) => (end === "a" ? `routes = [["km-b"], ["km-d"]]\nlow_bits = 65536` : ""),
        },
      ],
      // The KM of the first route passes nothing on.
      relay: (km) => (km === "d" ? `transit = [["*", "*"]]` : ""),
    });
    await linked(net, ["a", "km-b"], ["b", "km-c"], ["a", "km-d"], ["d", "km-c"], ["a", "km-c"]);
    await net.feedAll(16);
    await pool(net, "a", "km-c");
    const { relay } = await net.km("a").status();
    const [pair] = relay?.pairs ?? [];
    t.like(pair?.last_failure, { failure: "policy", at: "km-b", route: ["km-b"] });
    t.is(pair?.methods[0]?.scheme, "case-2");
    t.true(((await net.km("d").status()).relay?.passed.relays ?? 0) > 0);
    t.is((await net.km("b").status()).relay?.passed.relays, 0);
  },
);

testWhole.serial(
  "a KM between that says nothing any more is passed by, and wakes to books that agree",
  async (t) => {
    const net = await network(t, {
      ...diamond,
      far: [
        {
          ends: ["a", "c"],
          table: (end) => (end === "a" ? `routes = [["km-b"], ["km-d"]]\npool = "manual"` : ""),
        },
      ],
      relay: (km) => `within_s = 1.5${"bd".includes(km) ? `\ntransit = [["*", "*"]]` : ""}`,
      door: "answer_timeout_s = 20\nprepared_keys = 0\n",
    });
    await net.feedAll(8);
    for (const [one, other] of ["ab", "bc", "ad", "dc", "ac"]) {
      await ready(net, one as string, `km-${other}`);
    }
    const [a, c] = [client(t, net, "a"), client(t, net, "c")];
    // On a busy machine one may be late, and is asked for again.
    const exchange = async () => {
      const given = heldKeys(await a.encKeys("app-c"));
      if (given.length === 0) return 0;
      t.deepEqual(heldKeys(await c.decKeys("app-a", [given[0]?.id as string])), given);
      return 1;
    };
    await eventually("a key by way of b", exchange, { is: 1 });
    const passed = async (km: string) => (await net.km(km).status()).relay?.passed.relays;
    t.true(((await passed("b")) ?? 0) > 0);
    const before = (await passed("d")) ?? 0;
    const { pid } = net.km("b").process;
    process.kill(pid as number, "SIGSTOP");
    await eventually("a key by way of d", exchange, { is: 1 });
    await eventually("d passed it on", () => passed("d"), { atLeast: before + 1 });
    const pair = (await net.km("a").status()).relay?.pairs[0];
    t.deepEqual(pair?.last_failure?.route, ["km-b"]);
    t.true(
      ["late", "away"].includes(pair?.last_failure?.failure ?? ""),
      pair?.last_failure?.failure,
    );
    process.kill(pid as number, "SIGCONT");
    for (const [one, other] of ["ab", "bc"] as unknown as [string, string][]) {
      const both = async () => {
        const [here, there] = await Promise.all([
          linkTo(net, one, `km-${other}`),
          linkTo(net, other, `km-${one}`),
        ]);
        return { here, there };
      };
      await eventually(`${one} and ${other} agree`, both, {
        when: ({ here, there }) =>
          here?.session === "ready" &&
          here.under_way_bits === 0 &&
          here.stock_bits === there?.peer_stock_bits &&
          here.peer_stock_bits === there.stock_bits &&
          here.taken_bits === there.taken_bits,
        deadlineMs: 100_000,
      });
    }
  },
);

testWhole.serial(
  "a KM between whose store is full takes no key, and goes on relaying",
  async (t) => {
    const net = await network(t, {
      ...row((end) =>
        end === "a"
          ? `routes = [["km-b"]]\npool = "manual"\nbatch_bits = 1048576\nhigh_bits = 1_000_000_000`
          : "",
      ),
      relay: (km) => `within_s = 15${km === "b" ? `\ntransit = [["km-a", "km-c"]]` : ""}`,
      store: (km) => (km === "b" ? "limit_mb = 16" : ""),
    });
    // Half of it for each fibre, until the node is told that there is no more room.
    const [ab, bc] = [
      ["a", "b"],
      ["b", "c"],
    ] as const;
    await net.feed(ab, 200, 32_768);
    // What is matched takes less than what waits: it is full when it is so with nothing left to match.
    const isFull = async () => {
      const said = await net.feed(bc, 20, 32_768).then(
        () => "success",
        (error) => `${error}`,
      );
      const { store } = await eventually("b matched all", () => net.km("b").status(), {
        when: ({ links }) => links.every(({ waiting_keys }) => waiting_keys === 0),
      });
      return store?.full === true && said.includes("storage_full");
    };
    await eventually("b is full", isFull, { is: true, deadlineMs: 100_000 });
    await ready(net, "a", "km-b");
    await ready(net, "c", "km-b");
    const km = (...words: string[]) =>
      spawnSync(programPath("qkd-km"), [...words, "--config", net.km("a").config], {
        encoding: "utf8",
      });
    t.is(km("relay", "--link", "c", "--bits", "2097152").status, 0);
    await eventually("what was ordered is stock", () => linkTo(net, "a", "km-c"), {
      when: (link) => (link?.matched_bits ?? 0) >= 2_097_152,
    });
    const [a, c] = [client(t, net, "a"), client(t, net, "c")];
    const given = heldKeys(await a.encKeys("app-c"));
    t.deepEqual(heldKeys(await c.decKeys("app-a", [given[0]?.id as string])), given);
  },
);

testWhole.serial(
  "AES takes the place of pads that are short, and who asks for one-time pads gets nothing less",
  async (t) => {
    const net = await network(
      t,
      row((end) => {
        const aes = "aes = true\n";
        return end === "a"
          ? `${aes}routes = [["km-b"]]\nlow_bits = 262144\nbatch_bits = 131072`
          : aes;
      }),
    );
    // Pads for one way of the first hop: less than one batch.
    await net.feedAll(4, 4_096);
    // What was away at first makes the next relays short: of those some find pads.
    await eventually("a batch came under AES", () => net.km("a").status(), {
      when: ({ relay }) =>
        relay?.pairs[0]?.methods.some((one) => one.scheme === "aes" && one.stock_bits > 8_192) ===
        true,
    });
    const [a, c] = [client(t, net, "a"), client(t, net, "c")];
    const otp = await a.ask("/api/v1/keys/app-c/enc_keys", {
      number: 1,
      size: 131_072,
      extension_mandatory: [{ security_level: "otp" }],
    });
    t.is(otp.status, 503);
    const given = heldKeys(await a.encKeys("app-c"));
    t.deepEqual(heldKeys(await c.decKeys("app-a", [given[0]?.id as string])), given);
  },
);

testWhole.serial(
  "XORs are collected by a KM that is on no way, and makes nothing of them",
  async (t) => {
    const net = await network(t, {
      kms: ["a", "b", "c", "z"],
      fibres: [
        ["a", "b"],
        ["b", "c"],
        ["b", "z"],
        ["c", "z"],
      ],
      far: [
        {
          ends: ["a", "c"],
          table: (end) =>
            end === "a"
              ? `routes = [["km-b"]]\nscheme = "centralized"\ncollector = "km-z"\nlow_bits = 65536`
              : "",
        },
      ],
      relay: (km) => `transit = [["km-a", "km-c"]]\ncollects = ${km === "z"}`,
    });
    await net.feedAll(16);
    await pool(net, "a", "km-c");
    t.true(((await net.km("z").status()).relay?.collected.relays ?? 0) > 0);
    const [a, c] = [client(t, net, "a"), client(t, net, "c")];
    const given = heldKeys(await c.encKeys("app-a"));
    t.deepEqual(heldKeys(await a.decKeys("app-c", [given[0]?.id as string])), given);
  },
);
