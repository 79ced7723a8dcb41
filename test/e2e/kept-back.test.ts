import { spawnSync } from "node:child_process";
import { join } from "node:path";
import test from "ava";
import { systemClock } from "../../src/base/clock.ts";
import { answerWith } from "../emulator/km/index.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { programPath } from "../rig/programs.ts";
import { Rig } from "../rig/rig.ts";

const command = programPath("qkd-node");

interface Kept {
  readonly modules: readonly {
    readonly kept: readonly {
      readonly block: string;
      readonly key_ID?: string;
      readonly why: string;
    }[];
  }[];
}

test.serial(
  "what is kept back is listed, supplied after all, or given up, at the command line",
  async (t) => {
    const stream = seedSource({ seed: 3, blocks: 12, blockBits: 1_024, clock: systemClock });
    const source = {
      ...stream,
      next() {
        const block = stream.next();
        if (block === undefined) return undefined;
        const qber = block.facts.ref.number % 4 === 3 ? 0.2 : 0.02;
        return { ...block, facts: { ...block.facts, qber } };
      },
    };
    const rig = await Rig.start({ source, baud: 0 });
    try {
      const { alice, bob } = rig;
      // Two keys that no KM will have: they must not hold up the others.
      alice.km.behave(answerWith("invalid_message", 2));
      await rig.until("every block is released or kept back", () => rig.settled());
      const run = (...args: string[]) => {
        const config = join(rig.folder, `${alice.nodeId}.toml`);
        return spawnSync(command, [...args, "--config", config], { encoding: "utf8" });
      };
      const kept = () => {
        const { modules } = JSON.parse(run("kept", "--json").stdout) as Kept;
        return modules[0]?.kept ?? [];
      };
      const before = kept();
      t.deepEqual(before.map(({ why }) => why).sort(), [
        "quarantined",
        "quarantined",
        "withheld",
        "withheld",
        "withheld",
      ]);
      t.is(alice.km.store.size, 7);
      t.is(bob.km.store.size, 9);
      // At a glance, by reason and number, with what to type.
      for (const view of ["status", "doctor", "kept"]) {
        const text = run(view).stdout.replace(/\s+/g, " ");
        t.regex(text, /3 blocks above the QBER limit/, view);
        t.regex(text, /2 keys that the KM refused/, view);
      }
      t.regex(run("status").stdout, /qkd-node discard alice --all --reason qber/);
      const table = run("kept").stdout;
      t.regex(table, /MODULE +KEY OR BLOCK/);
      t.true(table.split("\n").every((line) => line.length <= 80));

      // A slip means none of it, and does nothing: it is told.
      for (const slip of ["nonsense", "withheld", "quarantined"]) {
        const { status, stdout, stderr } = run("discard", "alice", "--all", "--reason", slip);
        t.is(status, 64, slip);
        t.is(stdout, "");
        t.regex(
          stderr,
          /--reason: expected one of qber, .*, ledger_repaired, .*, damaged, invalid_message\n/,
        );
      }
      for (const vain of [
        ["--reason", "replayed"],
        ["--epoch", "00112233aabbccdd"],
        ["--reason", "invalid_message", "--epoch", "00112233aabbccdd"],
      ]) {
        const { status, stdout } = run("discard", "alice", "--all", ...vain);
        t.is(status, 1, vain.join(" "));
        t.regex(stdout, /failed: nothing is kept back for that/);
      }
      t.deepEqual(kept(), before);

      const refused = before.filter(({ why }) => why === "quarantined");
      const withheld = before.filter(({ why }) => why === "withheld");
      const [again, gone] = refused as unknown as readonly [{ key_ID: string }, { key_ID: string }];
      t.regex(run("release", "alice", again.key_ID).stdout, /done/);
      t.regex(run("discard", "alice", gone.key_ID).stdout, /done/);
      for (const { block } of withheld.slice(1)) t.is(run("discard", "alice", block).status, 0);
      t.is(run("release", "alice", withheld[0]?.block ?? "").status, 0);
      await rig.until("what is kept back", () => kept().length, { is: 0 });
      await rig.until("blocks that the module holds", () => rig.pair.alice.module.heldBlocks, {
        is: 0,
      });
      // One from quarantine, one that was withheld; what Bob keeps back is not compared.
      await rig.until("keys at the KM", () => alice.km.store.size, { is: 9 });
      t.is(rig.compare().different, 0);

      const unknown = run("release", "alice", "00112233aabbccdd/999");
      t.is(unknown.status, 1);
      t.regex(unknown.stdout, /failed.*no such key or block/);
      t.is(run("free-km", "alice", "local").status, 1, "it is connected");
      t.is(run("release", "alice").status, 64);
      // It ends a doubt, whatever that concerned.
      t.is(run("release", "alice", "--all", "--reason", "ledger_repaired").status, 0);
      const audit = () => [...rig.view.node(alice.nodeId).events.values()].map(({ type }) => type);
      for (const type of ["key_reinstated", "key_discarded"]) {
        await rig.until(type, audit, { when: (types) => types.includes(type) });
      }
    } finally {
      await rig.close();
    }
  },
);
