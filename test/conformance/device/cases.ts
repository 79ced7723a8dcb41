/**
 * What can be tried with a module that nobody tells what to do: it distils by itself, or holds blocks.
 * Blocks that are released here are gone: it must be a module whose key nobody needs.
 */
import { Fault } from "../../../src/base/errors.ts";
import type { ModuleCommand } from "../../../src/port/module.ts";
import { figures } from "../../../src/port/telemetry.ts";
import { Broken, type Level, type Runnable } from "../run.ts";
import { type DeviceOptions, Kit, plenty } from "./kit.ts";
import { pause, type Seen, Visit } from "./visit.ts";

function same(blocks: readonly Seen[], again: readonly Seen[], what: string): void {
  blocks.forEach((block, i) => {
    const other = again[i];
    if (other?.name !== block.name) {
      throw new Broken(`${what}: block ${i + 1} is ${other?.name}, and was ${block.name}`);
    }
    if (other.digest !== block.digest || other.bits !== block.bits) {
      throw new Broken(`${what}: ${block.name} has another content than before`);
    }
  });
}

/** Has it do a command; one that it does not know must be refused in words. */
async function told(kit: Kit, visit: Visit, command: ModuleCommand): Promise<boolean> {
  try {
    await visit.session.command(command);
    return true;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code !== "module.command") throw new Broken(`${command.name}: ${error.message}`);
    kit.note(`${command.name} is refused: ${error.message}`);
    return false;
  }
}

interface DeviceCase {
  readonly id: string;
  readonly title: string;
  readonly level?: Level;
  readonly needs?: "discard" | "zeroize";
  run(kit: Kit): Promise<void>;
}

export const deviceCases: readonly DeviceCase[] = [
  {
    id: "identity",
    title: "the module answers, and says who it is",
    async run(kit) {
      const { session } = await kit.open();
      const { moduleId, matchingModuleId, role, maxBlockBytes, protocol } = session.identity;
      if (!/^.{1,128}$/u.test(moduleId)) throw new Broken("its ID has not 1 to 128 characters");
      if (maxBlockBytes < 1) throw new Broken("its longest block has no byte");
      kit.note(`${moduleId}, ${role}, paired with ${matchingModuleId || "?"}, ${protocol}`);
    },
  },
  {
    id: "sessions",
    title: "sessions come and go, and it is the same module each time",
    async run(kit) {
      const ids = new Set<string>();
      for (let i = 0; i < 10; i++) {
        const visit = await kit.open();
        ids.add(visit.session.identity.moduleId);
        await visit.close();
      }
      if (ids.size !== 1) throw new Broken(`it was ${[...ids].join(", then ")}`);
    },
  },
  {
    id: "given-up",
    title: "a connection that is given up while it is made harms no later one",
    async run(kit) {
      for (let i = 0; i < 5; i++) {
        await Visit.open(kit.options.driver(), i * 3).then(
          (visit) => visit.close(),
          () => {},
        );
      }
      await (await kit.open()).close();
    },
  },
  {
    id: "no-credit",
    title: "nothing is offered without credit",
    async run(kit) {
      const visit = await kit.open();
      await kit.quiet(() => visit.blocks.length > 0 || visit.ended !== undefined);
      if (visit.blocks.length > 0) throw new Broken(`${visit.blocks.length} blocks came`);
      if (visit.ended !== undefined) throw new Broken(`the session ended: ${visit.ended}`);
    },
  },
  {
    id: "blocks",
    title: "blocks come whole and with the right check",
    async run(kit) {
      const { visit, blocks } = await kit.first(3);
      if (visit.damaged.length > 0) throw new Broken("a block came damaged");
      kit.note(`blocks of ${blocks.map(({ bits }) => bits).join(", ")} bit`);
    },
  },
  {
    id: "credit-blocks",
    title: "no more blocks are offered than credit was given for",
    async run(kit) {
      const visit = await kit.open();
      visit.session.grant(2, plenty.bytes);
      await kit.blocks(visit, 2);
      await kit.quiet(() => visit.blocks.length > 2);
      if (visit.blocks.length > 2)
        throw new Broken(`credit for 2, and ${visit.blocks.length} came`);
      visit.session.grant(1, 0);
      await kit.blocks(visit, 3);
    },
  },
  {
    id: "credit-bytes",
    title: "a block waits until credit suffices for its bytes",
    async run(kit) {
      const { visit: one, blocks } = await kit.first(1);
      await one.close();
      const bytes = blocks[0]?.bytes ?? 0;
      if (bytes === 0) return kit.note("the oldest block has no key in it: not tried");
      const visit = await kit.open();
      visit.session.grant(100, bytes - 1);
      await kit.quiet(() => visit.blocks.length > 0);
      if (visit.blocks.length > 0)
        throw new Broken(`a block of ${bytes} bytes came for ${bytes - 1}`);
      visit.session.grant(0, 1);
      await kit.blocks(visit, 1);
    },
  },
  {
    id: "again",
    title: "what is not released is offered again in each session, the same, in the same order",
    async run(kit) {
      const { visit, blocks } = await kit.first(3);
      await visit.close();
      for (const time of ["second", "third"]) {
        const next = await kit.first(3);
        same(blocks, next.blocks, `in the ${time} session`);
        await next.visit.close();
      }
    },
  },
  {
    id: "order",
    title: "references go up within an epoch, and none comes twice in a session",
    async run(kit) {
      const { blocks } = await kit.first(3);
      const names = new Set(blocks.map(({ name }) => name));
      if (names.size !== blocks.length) throw new Broken("a reference came twice");
      blocks.slice(1).forEach(({ ref }, i) => {
        const before = (blocks[i] as Seen).ref;
        if (ref.epoch === before.epoch && ref.number <= before.number) {
          throw new Broken(`block ${ref.number} comes after ${before.number}`);
        }
      });
    },
  },
  {
    id: "release",
    title: "release takes the block that it names, and no other",
    async run(kit) {
      const { visit, blocks } = await kit.first(3);
      const [one, two, three] = blocks as [Seen, Seen, Seen];
      await kit.release(visit, [two]);
      await visit.close();
      const next = await kit.first(2);
      same([one, three], next.blocks, "after the release of the second");
    },
  },
  {
    id: "release-twice",
    title: "a release is answered again and again, also of what was never there",
    async run(kit) {
      const { visit, blocks } = await kit.first(1);
      const [block] = blocks as [Seen];
      const strange = { ...block, ref: { epoch: block.ref.epoch, number: block.ref.number + 1e9 } };
      await kit.release(visit, [block]);
      await kit.release(visit, [block, strange]);
      await visit.close();
      const next = await kit.open();
      await kit.release(next, [block]);
      next.session.grant(1, plenty.bytes);
      await kit.blocks(next, 1);
      if (next.blocks[0]?.name === block.name) throw new Broken("it came again after its release");
    },
  },
  {
    id: "read",
    title: "a block that is held is offered again when it is asked for",
    async run(kit) {
      const visit = await kit.open();
      visit.session.grant(1, plenty.bytes);
      await kit.blocks(visit, 1);
      const [block] = visit.blocks as [Seen];
      visit.session.read([block.ref]);
      // Others that were not offered yet may come first.
      visit.session.grant(plenty.blocks, 0);
      const again = () => visit.blocks.slice(1).filter(({ name }) => name === block.name);
      await visit.until(() => again().length > 0, "the block again", kit.options.waitMs);
      same([block], again(), "asked for again");
    },
  },
  {
    id: "flow",
    title: "blocks flow in small credit, each once, and what is released makes room",
    async run(kit) {
      const visit = await kit.open();
      const begun = performance.now();
      visit.onBlock = ({ ref, bytes }) => {
        visit.session.release([ref]);
        visit.session.grant(1, bytes);
      };
      visit.session.grant(4, 10_000_000);
      await kit.blocks(visit, 8);
      const names = visit.blocks.map(({ name }) => name);
      if (new Set(names).size !== names.length) throw new Broken("a block came twice");
      await visit.until(() => visit.released.length >= 8, "answers to releases", 10_000);
      const seconds = (performance.now() - begun) / 1_000;
      const bits = visit.blocks.reduce((sum, block) => sum + block.bits, 0);
      kit.note(`${names.length} blocks, ${(bits / seconds / 1_000).toFixed(1)} kbit/s`);
    },
  },
  {
    id: "telemetry",
    title: "telemetry has figures of the port's table, in their ranges",
    async run(kit) {
      const visit = await kit.open();
      await told(kit, visit, { name: "telemetry_interval", ms: 200 });
      await visit.until(() => visit.samples.length >= 5, "five samples", 15_000);
      const seen = new Set<string>();
      for (const { values } of visit.samples) {
        for (const [name, value] of Object.entries(values)) {
          const spec = figures[name as keyof typeof figures];
          if (spec === undefined) throw new Broken(`there is no figure ${name}`);
          for (const one of [value].flat()) {
            if (!(one >= spec.min && one <= spec.max)) throw new Broken(`${name} is ${one}`);
          }
          seen.add(name);
        }
      }
      kit.note([...seen].join(", "));
    },
  },
  {
    id: "interval",
    title: "telemetry comes at the interval that was asked for",
    level: "should",
    async run(kit) {
      const visit = await kit.open();
      if (!(await told(kit, visit, { name: "telemetry_interval", ms: 500 }))) return;
      const before = visit.samples.length;
      await pause(5_250);
      const came = visit.samples.length - before;
      if (came < 7 || came > 13) throw new Broken(`${came} samples in 5 s, and not 10`);
    },
  },
  {
    id: "commands",
    title: "start, self-test and key rate are done, or refused in words",
    async run(kit) {
      const visit = await kit.open();
      await told(kit, visit, { name: "key_rate", bitsPerSecond: 0 });
      await told(kit, visit, { name: "self_test" });
      await told(kit, visit, { name: "start" });
    },
  },
  {
    id: "stop",
    title: "stopped, it makes no new block and keeps those it has; started, it goes on",
    async run(kit) {
      const { visit, blocks } = await kit.first(1);
      if (!(await told(kit, visit, { name: "stop" }))) return;
      // What was being made may still come.
      await pause(kit.silence);
      const held = visit.blocks.length;
      await kit.quiet(() => visit.blocks.length > held);
      await kit.quiet(() => visit.blocks.length > held);
      const more = visit.blocks.length - held;
      await told(kit, visit, { name: "start" });
      if (more > 0) throw new Broken(`${more} new blocks came after stop`);
      await visit.close();
      const next = await kit.first(1);
      same(blocks, next.blocks, "after stop and start");
    },
  },
  {
    id: "discard",
    title: "discard destroys the block that it names, read or not, and no other",
    needs: "discard",
    async run(kit) {
      const { visit, blocks } = await kit.first(2);
      const [one, two] = blocks as [Seen, Seen];
      visit.session.discard([one.ref]);
      await visit.until(() => visit.released.includes(one.name), "its answer", 10_000);
      await visit.close();
      const next = await kit.first(1);
      same([two], next.blocks, "after the discard");
    },
  },
  {
    id: "zeroize",
    title: "zeroize destroys every block in the module",
    needs: "zeroize",
    async run(kit) {
      const { visit, blocks } = await kit.first(1);
      if (!(await told(kit, visit, { name: "zeroize" }))) return;
      await visit.close();
      const next = await Visit.open(kit.options.driver()).catch((error) => {
        if (!(error instanceof Broken)) throw error;
        kit.note(`afterwards: ${error.message}`);
        return undefined;
      });
      if (next === undefined) return;
      next.session.grant(plenty.blocks, plenty.bytes);
      const names = new Set(blocks.map(({ name }) => name));
      const kept = () => next.blocks.some(({ name }) => names.has(name));
      await kit.quiet(kept);
      await next.close();
      if (kept()) throw new Broken("a block of before came again");
    },
  },
];

export function deviceRunnables(options: DeviceOptions): Runnable[] {
  return deviceCases.map(({ id, title, level = "must", needs, run }) => ({
    id,
    title,
    level,
    skip: needs === undefined || options[needs] ? undefined : `it destroys key (--${needs})`,
    async run(note) {
      const kit = new Kit(options, note);
      try {
        await run(kit);
      } finally {
        await kit.end();
      }
    },
  }));
}
