/** A module behind the spool must be what every module must be, to the rest of the node. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { diskFiles } from "../../src/host/disk/files.ts";
import { Spool } from "../../src/node/spool/spool.ts";
import { spooled, spoolWhenNeeded } from "../../src/node/spool/spooled.ts";
import { blockName } from "../../src/port/key.ts";
import { skeletonSpecimen } from "./skeleton.ts";
import type { Specimen } from "./specimen.ts";
import { conformance } from "./suite.ts";

async function spooledSpecimen(): Promise<Specimen> {
  const inner = await skeletonSpecimen();
  const folder = mkdtempSync(join(tmpdir(), "qkd-spool-"));
  const options = { files: diskFiles, folder, maxBytes: 10_000_000 };
  const key = () => Buffer.alloc(32, 7);
  return {
    driver: (context) => spooled(inner.driver(context), spoolWhenNeeded(options, key), silentLog),
    distil: (bits) => inner.distil(bits),
    async held() {
      const spool = await Spool.open({ ...options, key: key() });
      const there = await inner.held();
      const names = [...spool.blocks()].map(({ ref }) => blockName(ref));
      return [...names, ...there.filter((name) => !names.includes(name))].sort(byNumber);
    },
    unplug: () => inner.unplug(),
    plug: () => inner.plug(),
    restart: () => inner.restart(),
    identity: (moduleId) => inner.identity(moduleId),
    malformations: inner.malformations,
    async close() {
      await inner.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function byNumber(a: string, b: string): number {
  return Number(a.split("/")[1]) - Number(b.split("/")[1]);
}

conformance(spooledSpecimen);
