/** What the driver tells of KMEs, of the other end and of a page of figures, in one life with each trouble. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import anyTest, { type TestFn } from "ava";
import * as v from "valibot";
import { etsi014 } from "../../../../drivers/etsi014/kind.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { Batches } from "../../../../src/node/spool/batches.ts";
import { whenNeeded } from "../../../../src/node/spool/spooled.ts";
import { blockName } from "../../../../src/port/key.ts";
import type { TelemetrySample } from "../../../../src/port/telemetry.ts";
import { eventually } from "../../../eventually.ts";
import { freePort } from "../../../rig/free-port.ts";
import { driverOptions, type KmeEnd, KmePair, kmeCertificates } from "../../../rig/kme-pair.ts";

const test = anyTest as TestFn;

test.serial(
  "each trouble is told when it begins and when it ends; figures come from the page",
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-alarms-"));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    await kmeCertificates(folder);
    const pair = await KmePair.start(folder);
    t.teardown(() => pair.close());
    const port = await freePort();
    let page = "qkd_qber 2.5\n";
    const pages = createServer(
      { cert: readFileSync(`${folder}/kme.crt`), key: readFileSync(`${folder}/kme.key`) },
      (_request, response) => response.end(page),
    );
    t.teardown(() => pages.close());
    await new Promise<void>((resolve) => pages.listen(0, "127.0.0.1", resolve));
    const client = {
      ca: `${folder}/ca.crt`,
      cert: `${folder}/sae-a.crt`,
      key: `${folder}/sae-a.key`,
    };
    const figures = {
      url: `https://127.0.0.1:${(pages.address() as AddressInfo).port}/metrics`,
      format: "prometheus",
      every_s: 1,
      map: { qber: { from: "qkd_qber", unit: "%" } },
      ...client,
    };
    const told: string[] = [];
    const qbers: (number | undefined)[] = [];
    /** How many ends have had a block, by reference and key_ID. */
    const refs = new Map<string, number>();
    let sample: TelemetrySample | undefined;
    const start = async (end: KmeEnd) => {
      const given = driverOptions(pair, end, port, { status_s: 0.1, patience_s: 0.2, batch: 4 });
      const more = { slow_s: 0.1, empty_s: 1, ...(end === "a" && { figures }) };
      const options = { files: diskFiles, folder: join(folder, `spool-${end}`), maxBytes: 1e6 };
      const driver = etsi014.create(v.parse(etsi014.options, { ...given, ...more }), {
        clock: systemClock,
        log: silentLog,
        spool: whenNeeded(
          (key) => Batches.open({ ...options, key }),
          () => Buffer.alloc(32, 1),
        ),
      });
      const session = await driver.connect(
        {
          block: (block) => {
            qbers.push(block.facts.qber);
            const name = `${blockName(block.ref)} ${block.facts.uuid}`;
            refs.set(name, (refs.get(name) ?? 0) + 1);
            block.wipe();
          },
          damaged: () => {},
          released: () => {},
          telemetry: (one) => {
            if (end === "a") sample = one;
          },
          absent: () => {},
          event: ({ code, severity }) => told.push(`${end} ${code} ${severity}`),
        },
        new AbortController().signal,
      );
      t.teardown(() => session.close());
      session.grant(1_000, 1_000_000);
      return session;
    };
    const hears = (what: string) => eventually(what, () => told.includes(what));

    const leader = await start("a");
    await hears("a ends_apart major");
    await hears("a kme_empty warning");
    const follower = await start("b");
    await hears("a ends_apart cleared");
    await eventually("the page's QBER is told", () => sample?.values.qber, { is: 0.025 });
    await pair.ask({ make: 8 });
    await hears("a kme_empty cleared");
    await eventually("blocks at both ends", () => qbers.length, { is: 16 });
    t.deepEqual([...new Set(qbers)], [0.025], "both ends have the leader's QBER");

    await pair.ask({ set: { late: 0.3 } });
    await hears("a kme_slow warning");
    await pair.ask({ set: { late: 0 } });
    await hears("a kme_slow cleared");

    page = "qkd_qber 99\n";
    await hears("a figures_missing warning");
    page = "qkd_qber 3\n";
    await hears("a figures_missing cleared");

    cpSync(join(folder, "spool-a"), join(folder, "copy"), { recursive: true });
    const known = () => readdirSync(join(folder, "spool-b")).sort().join(" ");
    const before = known();
    await pair.ask({ set: { expire: 1 }, make: 20 });
    await hears("a keys_lost major");
    await hears("b keys_lost major");
    // On a machine that is busy keys are lost before these, too.
    await eventually("the follower knows of newer keys", known, { when: (now) => now !== before });
    t.is(qbers.length, 16, "what one end alone has is no block");

    // The leader's disk is set back to before the last keys.
    for (const session of [leader, follower]) await session.close();
    rmSync(join(folder, "spool-a"), { recursive: true });
    cpSync(join(folder, "copy"), join(folder, "spool-a"), { recursive: true });
    await start("a");
    await start("b");
    await hears("a ends_out_of_step major");
    refs.clear();
    await pair.ask({ set: { expire: 0 }, make: 4 });
    await eventually(
      "new keys at both ends",
      () => [...refs.values()].filter((n) => n === 2).length,
      {
        atLeast: 4,
      },
    );
  },
);
