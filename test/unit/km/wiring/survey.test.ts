import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { KmAlarms } from "../../../../src/km/alarms/rules.ts";
import { certificateFiles, listFiles } from "../../../../src/km/config/certificates.ts";
import { parseKmConfig } from "../../../../src/km/config/load.ts";
import { Survey } from "../../../../src/ops/daemon/survey.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";

const day = 86_400_000;
const minute = 60_000;

test("certificates of every door and link, revocation lists and the clock are watched", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-survey-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const clock = new ManualClock();
  const ca = await createAuthority("CA", { ...systemClock, wall: () => clock.wall() });
  const write = async (name: string, days: number) => {
    const issued = await ca.issue({ commonName: name, dns: [name], usage: "both", days });
    writeFileSync(join(folder, `${name}.crt`), issued.cert);
    writeFileSync(join(folder, `${name}.key`), issued.key, { mode: 0o600 });
  };
  for (const name of ["kq1", "kx", "etsi014", "manager", "web"]) await write(name, 100);
  writeFileSync(join(folder, "ca.crt"), ca.cert);
  const own = (name: string) => `cert = "${name}.crt"\nkey = "${name}.key"\n`;
  const text = `km.id = "km-a"\nkm.state_dir = "/x"\nstore.master_key_file = "m"
[kq1]\nport = 1\nca = "ca.crt"\ncrl = "ca.crl"\n${own("kq1")}[kx]\nport = 2\nca = "ca.crt"\n${own("kx")}
[etsi014]\nport = 3\nca = "ca.crt"\n${own("etsi014")}
[manager]\nurl = "mqtts://b"\nca = "ca.crt"\n${own("manager")}
[web]\npassword_file = "p"\n${own("web")}`;
  const config = parseKmConfig(text, join(folder, "km.toml"));
  const alarms = new KmAlarms({ plain: false, machine: { certificateDays: 30 } });
  const survey = new Survey(
    { certificates: certificateFiles(config), lists: listFiles(config) },
    alarms.machine,
    clock,
  );
  const raised = () => alarms.raised().map(({ id, severity }) => `${id} ${severity}`);
  writeFileSync(join(folder, "ca.crl"), await ca.revoke([], { days: 100 }));
  survey.look();
  t.deepEqual(raised(), []);

  for (const [name, days] of [
    ["kq1", 20],
    ["kx", 5],
    ["etsi014", -1],
    ["manager", 29],
  ] as const) {
    await write(name, days);
  }
  writeFileSync(join(folder, "web.crt"), "no certificate");
  writeFileSync(join(folder, "ca.crl"), await ca.revoke([], { days: -1 }));
  survey.look();
  t.deepEqual(raised(), [], "files are read once a minute");
  await clock.advance(minute);
  survey.look();
  t.deepEqual(raised().toSorted(), [
    "certificate_expiring.kq1 warning",
    "certificate_expiring.kx major",
    "certificate_expiring.manager warning",
    "certificate_invalid.etsi014 critical",
    "certificate_invalid.web critical",
    "crl_invalid.kq1 major",
  ]);
  t.true(survey.knows("kx") && survey.knows("web"));
  t.false(survey.knows("skip"));

  clock.offset += day;
  survey.look();
  t.true(raised().includes("clock_implausible.km major"));
  t.like(alarms.record("clock_implausible.km"), { detail: "jumped", value: day / 1_000 });
});

test("a clock of before this software existed, or long after, is told", (t) => {
  for (const [wall, detail] of [
    [0, "before this software existed"],
    [Date.parse("2056-01-01") - 1, undefined],
    [Date.parse("2100-01-01"), "30 years after this software was made"],
  ] as const) {
    const alarms = new KmAlarms({ plain: false });
    alarms.machine.clock({ now: 0, wall });
    t.is(alarms.record("clock_implausible.km")?.detail, detail);
  }
});
