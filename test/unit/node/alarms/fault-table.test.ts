/** What a node says of each fault, on every surface: they agree, and are as the table has it. */
import { readFileSync } from "node:fs";
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { verdictCodes, verdictKinds } from "../../../../src/node/alarms/verdict.ts";
import { faults } from "../../../fixtures/faults.ts";
import { FaultBench } from "../../../rig/fault-bench.ts";
import { pluralOfOne } from "../../../rig/plurals.ts";

const hung = "no key was answered for: KM does not answer";

/** Keys arrive for a while. */
async function flowing(): Promise<FaultBench> {
  const bench = await FaultBench.open();
  await bench.run(40, () => bench.keys());
  return bench;
}

/** A KM that takes keys, answers none, and is given up every ten seconds. */
async function neverAnswers(bench: FaultBench, seconds: number): Promise<void> {
  await bench.run(seconds, (second) => {
    bench.offered();
    if (second % 11 !== 10) return;
    bench.heard.notTheKm(hung);
    bench.reconnect("KM does not answer");
  });
}

/** Keys go on while something happens once, or each second. */
function beside(act: (bench: FaultBench, second: number) => void, seconds = 40) {
  return async () => {
    const bench = await flowing();
    await bench.run(seconds, (second) => {
      bench.keys();
      act(bench, second);
    });
    return bench;
  };
}

const once = (act: (bench: FaultBench) => void) => (bench: FaultBench, second: number) => {
  if (second === 0) act(bench);
};

/** Nothing is confirmed any more while this happens. */
function instead(act: (bench: FaultBench, second: number) => void, seconds = 40) {
  return async () => {
    const bench = await flowing();
    await bench.run(seconds, (second) => act(bench, second));
    return bench;
  };
}

const repaired = { "withheld.ledger_repaired": 992 };

const played: Readonly<Record<string, () => Promise<FaultBench>>> = {
  none: flowing,
  "node has just started": async () => {
    const bench = await FaultBench.open();
    await bench.run(20);
    return bench;
  },
  "KM never answers": async () => {
    const bench = await flowing();
    // The whole of the time that is promised.
    await neverAnswers(bench, 30);
    return bench;
  },
  "KM never answers, after a restart": async () => {
    const bench = await flowing();
    await neverAnswers(bench, 60);
    const next = await bench.restart();
    await next.run(2);
    return next;
  },
  "KM takes each connection and ends it": instead((bench) => {
    bench.offered();
    bench.heard.notTheKm("no key was answered for: connection to the KM ended");
    bench.reconnect("closed by the KM");
  }),
  "KM answers one key and hangs": instead((bench, second) => {
    bench.offered();
    if (second % 11 !== 10) return;
    bench.reconnect("KM does not answer");
    bench.counters.confirmed++;
    bench.heard.own++;
  }, 70),
  "KM cannot be reached": instead(once((bench) => bench.km("DOWN", "refused"))),
  "KM keeps going away, keys flow": beside((bench, second) => {
    if (second % 6 === 5) bench.reconnect("closed by the KM");
  }, 60),
  "first KM away, second takes keys": beside(
    once((bench) => {
      bench.km("UP", "", "reserve");
      bench.km("DOWN", "refused", "main");
    }),
  ),
  "KM is busy": instead((bench) => {
    bench.counters.held_blocks = 10;
    bench.counters.repeats++;
    bench.refuse("busy", 1);
  }),
  "KM's storage is full": instead((bench) => {
    bench.counters.held_blocks = 10;
    bench.counters.repeats++;
    bench.refuse("storage_full", 1);
  }),
  "KM refuses every key": instead((bench) => {
    bench.counters.supplied++;
    bench.counters.quarantined++;
    bench.refuse("invalid_message", 1);
    bench.event("key_quarantined", { reason: "invalid_message" });
    bench.conditions.keptBack = { quarantined: bench.counters.quarantined };
  }),
  "proxy answers for the KM": instead((bench) => {
    bench.offered();
    bench.heard.notTheKm("something between the node and the KM answers: 502");
  }),
  "module unplugged": instead(
    once((bench) => bench.module("DOWN", new Fault("link.closed", "no such device"))),
  ),
  "another module": instead(
    once((bench) => bench.module("DOWN", new Fault("module.identity", "another module answers"))),
  ),
  "module keeps going away": beside((bench, second) => {
    if (second % 6 !== 5) return;
    bench.module("DOWN", new Fault("link.closed", "unplugged"));
    bench.module("OPERATING");
  }, 60),
  "fibre cut": instead(
    once((bench) => {
      bench.figures = { qber: 0.5, secret_key_rate: 0, sifted_rate: 1.7, channel_loss: 100 };
    }),
  ),
  eavesdropper: instead((bench) => {
    bench.figures = { qber: 0.253, secret_key_rate: 0, sifted_rate: 8_000, channel_loss: 4 };
  }),
  "QBER a little high": beside(
    once((bench) => {
      bench.figures = { qber: 0.09, secret_key_rate: 1_900, sifted_rate: 8_000 };
    }),
  ),
  "module gives no key": instead(() => {}, 120),
  "module never gave a key": async () => {
    const bench = await FaultBench.open();
    await bench.run(310);
    return bench;
  },
  "stopped by somebody": instead(
    once((bench) => void bench.watch.stopped("alice", "uid 7")),
    400,
  ),
  "stopped, after a restart": async () => {
    const bench = await flowing();
    await bench.watch.stopped("alice", "uid 7");
    const next = await bench.restart();
    await next.run(400);
    return next;
  },
  "ledger was repaired": async () => {
    const bench = await FaultBench.open();
    await bench.run(40, () => {
      bench.counters.withheld += 10;
      bench.conditions.keptBack = repaired;
      bench.event("key_withheld", { reason: "ledger_repaired" });
    });
    return bench;
  },
  "kept back since a repair, keys flow": beside((bench) => {
    bench.conditions.keptBack = repaired;
  }),
  "kept back by the QBER gate, keys flow": beside((bench) => {
    bench.conditions.keptBack = { "withheld.qber": 12 };
  }),
  "blocks without a QBER": instead((bench) => {
    bench.counters.withheld++;
    bench.conditions.keptBack = { "withheld.no_qber": bench.counters.withheld };
    bench.event("key_withheld", { reason: "no_qber" });
  }),
  "ledger cannot be written": instead((bench) => {
    const trouble = new Fault("ledger.io", "cannot write: ENOSPC");
    bench.troubles = [["ledger.alice", trouble]];
    bench.conditions.ledgerTrouble = trouble.message;
  }),
  "ledger damaged": instead((bench) => {
    const trouble = new Fault("ledger.corrupt", "damaged record");
    bench.troubles = [["ledger.alice", trouble]];
    bench.conditions.module = "OUT";
    bench.conditions.moduleTrouble = trouble.message;
  }),
  "disk nearly full": beside((bench) => {
    bench.free = 0.01;
  }),
  "chassis opened": instead(
    once((bench) => {
      bench.conditions.halted = "chassis contact 2 opened";
      bench.watch.tampered("chassis contact 2 opened");
    }),
  ),
  "panel lost": beside(once((bench) => bench.watch.panelLost("unplugged"))),
  "module's buffer overflows": beside((bench) =>
    bench.event("module_event", { code: "key_buffer_overflow", severity: "major", text: "" }),
  ),
  "two keys with one ID": beside(
    once((bench) => bench.event("key_quarantined", { reason: "duplicate_key_ID", key_ID: "x" })),
  ),
  "laser fails": beside(
    once((bench) =>
      bench.event("module_event", { code: "laser_fault", severity: "critical", text: "" }),
    ),
  ),
  "no telemetry": beside((bench) => {
    bench.figures = undefined;
  }),
  "KM's certificate expired": beside((bench) => {
    bench.certificateEnds = 1;
  }, 90),
  "node crashes again and again": beside(once((bench) => bench.watch.crashed(3))),
  "module lets go of a block unasked": beside(
    once((bench) => bench.event("block_lost", { block: "00000000000000aa/7" })),
  ),
  "broker away": beside(once((bench) => bench.watch.brokerDown(new Error("refused"), false))),
  "key for a KM that is gone": beside((bench) => {
    bench.conditions.keptBack = { other_km: 3 };
    bench.event("key_waits_for_km", { km: "old" });
  }),
};

test("every row of the table is played, and nothing else is", (t) => {
  t.deepEqual(Object.keys(played).sort(), faults.map(({ fault }) => fault as string).sort());
  t.true(faults.length > 30);
});

for (const { fault, verdict, level, ready, alarms, says } of faults) {
  test(`every surface says the same of: ${fault}`, async (t) => {
    const bench = await (played[fault] as () => Promise<FaultBench>)();
    const told = bench.surfaces();
    const { text } = told.status;
    t.like(told.status, { verdict, level, ready }, text);
    t.regex(text, says);
    t.deepEqual(told.alarms, alarms as readonly string[]);
    t.like(told.page, { code: verdict, level, text, ready }, "page");
    t.is(told.readyz.ready, ready, "readyz");
    t.like(told.readyz.modules[0], { health: { code: verdict, text } });
    t.like(told.metrics, { ready: ready ? 1 : 0, verdict: [{ reason: verdict, level }] });
    t.deepEqual(
      told.metrics.alarms.map((alarm) => `${alarm.name} ${alarm.severity}`).sort(),
      alarms as readonly string[],
    );
    t.like(told.manager.health, { verdict, level, ready, text }, "manager");
    const words = { good: "ok", waiting: "wait", attention: "warn", bad: "FAIL" }[level as "good"];
    const line = told.statusText.find((one) => one.includes("alice"));
    t.true(line?.startsWith(`${words}  alice  ${text}`), `status: ${line}`);
    t.is(told.doctorText[0], line, "the doctor's first line");
    for (const one of [...told.statusText, ...told.doctorText]) t.notRegex(one, pluralOfOne);
    const doctor = { good: "ok", waiting: "warn", attention: "warn", bad: "fail" } as const;
    t.is(told.doctor.checks[0]?.status, doctor[level as "good"]);
    if (level === "bad") t.is(told.doctor.status, "fail");
    if (verdict === "no_light") t.is(told.manager.link, "OFF");
    if (verdict === "stopped") t.is(told.manager.link, "PASSIVE");
    if (verdict === "km_silent") t.is(told.manager.km, "DOWN");
    await bench.watch.stop();
  });
}

test("what is kept back is told by reason and number, with what to type, on every surface", async (t) => {
  const bench = await (
    played["kept back since a repair, keys flow"] as () => Promise<FaultBench>
  )();
  const told = bench.surfaces();
  const typed = "qkd-node discard alice --all --reason ledger_repaired";
  for (const text of [told.statusText, told.doctorText]) {
    t.true(text.some((line) => line.includes("992 blocks of before the ledger was repaired")));
    t.true(text.some((line) => line.includes(typed)));
  }
  t.like(told.metrics.keptBack, [{ reason: "withheld.ledger_repaired", value: 992 }]);
  await bench.watch.stop();
});

test("the alarms of the table are in what operations says of failures", (t) => {
  const text = readFileSync(new URL("../../../../docs/operations.md", import.meta.url), "utf8");
  const readme = readFileSync(
    new URL("../../../../src/node/alarms/README.md", import.meta.url),
    "utf8",
  );
  const rows = [...readme.matchAll(/^\| `(\w+)` \| (\w+) \| (yes|no) \|/gm)].map((found) =>
    found.slice(1),
  );
  const kinds = verdictCodes.map((code) => {
    const { level, ready } = verdictKinds[code];
    return [code, level, ready ? "yes" : "no"];
  });
  t.deepEqual(rows.sort(), kinds.sort());
  for (const name of ["km_silent", "km_unreachable", "km_refusing", "no_light", "storage_full"]) {
    t.true(text.includes(`\`${name}\``), name);
  }
});
