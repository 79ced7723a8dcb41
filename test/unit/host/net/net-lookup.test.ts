import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Names } from "../../../../src/host/net/lookup.ts";
import { addressesIn, candidates, hasOtherSources } from "../../../../src/host/net/name-files.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { DnsServer, type Zone } from "../../../rig/dns.ts";

interface Files {
  readonly hosts?: string;
  readonly resolv?: string;
  readonly nsswitch?: string;
  readonly clock?: ManualClock;
  readonly system?: (name: string) => Promise<readonly string[]>;
}

async function bench(t: ExecutionContext, zone: Zone, files: Files = {}) {
  const folder = mkdtempSync(join(tmpdir(), "names-"));
  const server = await DnsServer.open(zone);
  t.teardown(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const { hosts = "", resolv = "", nsswitch = "hosts: files dns\n", clock, system } = files;
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const sources = {
    hosts: file("hosts", hosts),
    resolv: file("resolv", resolv),
    nsswitch: file("nsswitch", nsswitch),
    servers: [server.address],
    clock: clock ?? systemClock,
    system: system ?? (() => Promise.reject(new Error("not asked"))),
  };
  return { names: new Names(sources), server, zone: server.zone };
}

test("an address is itself, and no server is asked", async (t) => {
  const { names, server } = await bench(t, {});
  t.deepEqual(await names.addresses("192.0.2.7"), ["192.0.2.7"]);
  t.deepEqual(await names.addresses("::1"), ["::1"]);
  t.deepEqual(await names.addresses("localhost"), ["::1", "127.0.0.1"]);
  t.deepEqual(server.asked, []);
});

test("what the machine's own file says is known without a server", async (t) => {
  const hosts = "# ours\n192.0.2.7 km.example km # main\n2001:db8::7\tKM.example\n";
  const { names, server } = await bench(t, {}, { hosts });
  t.deepEqual(await names.addresses("km.example"), ["192.0.2.7", "2001:db8::7"]);
  t.deepEqual(await names.addresses("KM"), ["192.0.2.7"]);
  t.deepEqual(await names.addresses("km.example."), ["192.0.2.7", "2001:db8::7"]);
  t.deepEqual(server.asked, []);
});

test("both families are found, and one alone is enough", async (t) => {
  const { names } = await bench(t, {
    "km.example": ["192.0.2.7", "192.0.2.8", "2001:db8::7"],
    "four.example": ["192.0.2.9"],
  });
  const all = ["2001:db8::7", "192.0.2.7", "192.0.2.8"];
  t.deepEqual(await names.addresses("km.example"), all);
  t.deepEqual(await names.addresses("four.example"), ["192.0.2.9"]);
});

test("names that nothing answers for delay no name that is answered for", async (t) => {
  const { names } = await bench(t, { "km.example": ["192.0.2.7"] });
  const order: string[] = [];
  const away = ["away", "away2", "away3", "away4", "away5"].map((name) =>
    names.addresses(`${name}.example`).catch(() => order.push("away")),
  );
  t.deepEqual(await names.addresses("km.example"), ["192.0.2.7"]);
  order.push("km");
  await Promise.all(away);
  t.is(order[0], "km");
});

test("a name without an answer ends as such, not as one that is not there", async (t) => {
  const { names } = await bench(t, { "none.example": "none", "empty.example": [] });
  await t.throwsAsync(names.addresses("away.example"), { code: "EAI_AGAIN" });
  for (const name of ["none.example", "empty.example"]) {
    await t.throwsAsync(names.addresses(name), { code: "ENOTFOUND" });
  }
});

test("what was known before serves while nothing answers, for a day", async (t) => {
  const clock = new ManualClock();
  const { names, zone } = await bench(t, { "km.example": ["192.0.2.7"] }, { clock });
  t.deepEqual(await names.addresses("km.example"), ["192.0.2.7"]);
  delete zone["km.example"];
  const waiting = names.addresses("km.example");
  await clock.advance(500);
  t.deepEqual(await waiting, ["192.0.2.7"]);
  await clock.advance(24 * 3_600_000);
  await t.throwsAsync(names.addresses("km.example"), { code: "EAI_AGAIN" });
});

test("a name that was taken back is not known any more", async (t) => {
  const { names, zone } = await bench(t, { "km.example": ["192.0.2.7"] });
  await names.addresses("km.example");
  zone["km.example"] = "none";
  await t.throwsAsync(names.addresses("km.example"), { code: "ENOTFOUND" });
  delete zone["km.example"];
  await t.throwsAsync(names.addresses("km.example"), { code: "EAI_AGAIN" });
});

test("a new address is taken as soon as the server tells it", async (t) => {
  const { names, zone } = await bench(t, { "km.example": ["192.0.2.7"] });
  await names.addresses("km.example");
  zone["km.example"] = ["192.0.2.8"];
  t.deepEqual(await names.addresses("km.example"), ["192.0.2.8"]);
});

test("the address that was connected to last comes first", async (t) => {
  const { names } = await bench(t, { "km.example": ["192.0.2.7", "2001:db8::7"] });
  names.worked("km.example", 9443, "192.0.2.7");
  t.deepEqual(await names.addresses("km.example", 9443), ["192.0.2.7", "2001:db8::7"]);
  t.deepEqual(await names.addresses("km.example", 8883), ["2001:db8::7", "192.0.2.7"]);
  t.is(names.lastGood("km.example", 9443), "192.0.2.7");
  t.is(names.lastGood("km.example", 8883), "km.example");
});

test("a short name is looked for in the domains of resolv.conf", async (t) => {
  const zone: Zone = { "km.a.example": "none", "km.b.example": ["192.0.2.7"], km: "none" };
  const { names, server } = await bench(t, zone, { resolv: "search a.example b.example.\n" });
  t.deepEqual(await names.addresses("km"), ["192.0.2.7"]);
  t.deepEqual([...new Set(server.asked)], ["km.a.example", "km.b.example"]);
});

test("a name that the DNS has not got may be known to the system all the same", async (t) => {
  const asked: string[] = [];
  const system = (name: string) => {
    asked.push(name);
    return Promise.resolve(["192.0.2.9"]);
  };
  const { names } = await bench(t, { "km.local": "none" }, { system });
  t.deepEqual(await names.addresses("km.local"), ["192.0.2.9"]);
  await t.throwsAsync(names.addresses("away.example"), { code: "EAI_AGAIN" });
  t.deepEqual(asked, ["km.local"]);
});

test("the system is asked for one name at a time", async (t) => {
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  const asked: string[] = [];
  const system = (name: string) => {
    asked.push(name);
    return promise;
  };
  const zone: Zone = { "a.local": "none", "b.local": "none" };
  const { names } = await bench(t, zone, { system, nsswitch: "hosts: files mdns4 dns\n" });
  const both = [names.addresses("a.local"), names.addresses("b.local")];
  await eventually("names asked for", () => asked.length, { atLeast: 1 });
  t.is(asked.length, 1);
  resolve(["192.0.2.9"]);
  await Promise.all(both);
  t.deepEqual(asked.toSorted(), ["a.local", "b.local"]);
});

test("the files are read as the system reads them", (t) => {
  t.deepEqual(addressesIn("nonsense km\n  10.0.0.1   km  \n", "km"), ["10.0.0.1"]);
  t.deepEqual(candidates("", "km.example"), ["km.example"]);
  t.deepEqual(candidates("", "km.example."), ["km.example"]);
  t.deepEqual(candidates("search x.example\n", "km.example"), [
    "km.example",
    "km.example.x.example",
  ]);
  const many = "domain y.example\nsearch x.example ; ours\noptions timeout:1 ndots:3\n";
  t.deepEqual(candidates(many, "a.b"), ["a.b.x.example", "a.b"]);
  t.false(
    hasOtherSources("passwd: files\nhosts: files resolve [!UNAVAIL=return] dns myhostname\n"),
  );
  t.false(hasOtherSources(""));
  t.true(hasOtherSources("hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # x\n"));
});
