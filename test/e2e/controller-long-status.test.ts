/** A network that key managers tell more of than fits in an answer of the local socket: what people ask for is shown all the same. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { ControllerStatus } from "../../src/controller/model/status.ts";
import { ask } from "../../src/ops/cli/client.ts";
import { linkExtension } from "../../src/wire/ck/report.ts";
import { eventually } from "../eventually.ts";
import { qkdController } from "../rig/cli.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { deadline } from "../rig/with-rig.ts";

const kms = ["km-v", "km-w", "km-x", "km-y"];
const peers = 900;

test("each command of a controller shows its part of a status that is too long for one answer", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-long-status-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const tables = [...kms, "km-a", "km-b"].map((km) => `[node.${km}]\n`).join("");
  const controller = await ControllerProcess.make({ folder, tables });
  t.teardown(() => controller.process.stop("SIGKILL"));
  await controller.start(deadline());
  const alarms = Array.from({ length: 16 }, (_, i) => {
    return { name: `${"a".repeat(60)}${i}`, severity: "minor" } as const;
  });
  for (const sourceKm of kms) {
    const km = await controller.km(sourceKm);
    t.teardown(() => km.stop());
    await eventually("it is connected", () => km.end.sessions.length, { is: 1 });
    for (let from = 0; from < peers; from += 150) {
      const extension = Array.from({ length: 150 }, (_, i) => {
        const peer = `${"\u682a".repeat(120)}${from + i}`;
        return linkExtension({ peer, up: true, stock: 0, rate: 0, alarms });
      });
      await km.end.session.request({ type: "report", sourceKm, at: Date.now(), extension });
    }
  }
  const cli = (...args: string[]) => qkdController([...args, "--config", controller.config]);
  const links = kms.length * peers;

  const status = await cli("status");
  t.is(status.code, 0, status.err);
  t.regex(status.out, /nodes +906, 4 connected/);
  t.regex(status.out, /links +3\D?600: /);
  for (const command of ["nodes", "pairs", "routes", "sessions", "alarms"]) {
    const { code, out, err } = await cli(command);
    t.is(code, 0, `${command}: ${err}`);
    t.notRegex(out, /and \d+ more$/m);
  }
  const table = await cli("links");
  t.is(table.code, 0, table.err);
  const left = Number(/^and (\d+) more$/m.exec(table.out)?.[1]);
  t.true(left > 0 && left < links);
  const json = await cli("links", "--json");
  // Each answer has its own room: why a link is not good may be said in other words by now.
  const more = Number(/(\d+) more links do not fit in an answer/.exec(json.err)?.[1]);
  t.is((JSON.parse(json.out) as unknown[]).length, links - more);

  const socket = [`${controller.state}/control`];
  const all = await ask<ControllerStatus & { omitted: Record<string, number> }>(socket, "status");
  t.is(all.nodes.length, 906, "the long list is cut, the others are not");
  t.deepEqual(Object.keys(all.omitted), ["links"]);
  t.is(all.links.length + (all.omitted.links ?? 0), links);
  await t.throwsAsync(ask(socket, "status", { part: "nope" }), { message: /part is summary/ });
});
