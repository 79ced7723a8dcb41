import { readFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { answerKept, type KeyReply, unclaimed } from "../../../../src/node/keys/ports.ts";
import { rounds } from "../../../campaign-scale.ts";
import { random } from "../../../random.ts";
import { withBench } from "../../../rig/custody-bench.ts";
import {
  type Asked,
  ask,
  compact,
  durable,
  hex,
  ids,
  kill,
  onRequest,
  restart,
} from "../../../rig/desk-bench.ts";

/** A key that was given: for which requests, and for which of them the KM has it. */
interface Piece {
  readonly wishes: Set<string>;
  readonly received: Set<string>;
}

/**
 * KMs ask, with and without tokens, and repeat; answers arrive, get lost or break off; the node is
 * killed and restarted. What the KMs saw is compared with what the ledger says in the end.
 */
async function story(t: ExecutionContext, seed: number): Promise<void> {
  const draw = random(seed);
  const pick = <T>(values: readonly T[]) => values[Math.floor(draw() * values.length)] as T;
  await withBench({ ...onRequest, maxHeldBlocks: 1_000 }, async (bench) => {
    const seen = new Map<string, Piece>();
    const content = new Map<string, string>();
    const sending: { name: string; reply: KeyReply }[] = [];
    const wishes = new Map<string, { asked: Asked; at: number }>();
    let blocks = 0;
    let wish = 0;
    let discarded = 0;
    bench.module.connect(bench.custody);

    const arrived = ({ name, reply }: { name: string; reply: KeyReply }) => {
      for (const id of ids(reply)) seen.get(id)?.received.add(name);
    };
    const end = (how: "sent" | "torn" | "unsent") => {
      const one = sending.splice(Math.floor(draw() * sending.length), 1)[0];
      if (one === undefined) return;
      if (how === "sent" || (how === "torn" && draw() < 0.5)) arrived(one);
      one.reply[how]?.();
    };
    const answer = (name: string, reply: KeyReply) => {
      for (const key of reply.keys) {
        t.is(content.get(key.id) ?? hex(key), hex(key), `seed ${seed}: one ID, two contents`);
        content.set(key.id, hex(key));
        const piece = seen.get(key.id) ?? { wishes: new Set(), received: new Set() };
        const others = [...piece.received].filter((other) => other !== name);
        t.deepEqual(others, [], `seed ${seed}: ${key.id} for two`);
        seen.set(key.id, piece);
        piece.wishes.add(name);
      }
      if (reply.keys.length > 0) sending.push({ name, reply });
    };
    for (let i = 0; i < 300; i++) {
      const way = draw();
      if (way < 0.2) {
        bench.module.add(blocks++, 256 * (1 + Math.floor(draw() * 3)) + (draw() < 0.3 ? 100 : 0));
        bench.module.offer();
      } else if (way < 0.24) {
        // What is being sent may be at the KM when the node dies.
        for (const one of sending.splice(0)) if (draw() < 0.5) arrived(one);
        const how = draw();
        if (how < 0.3) await restart(bench);
        else if (how < 0.6) await compact(bench);
        else await kill(bench, readFileSync(bench.path));
      } else if (way < 0.3) {
        await bench.clock.advance(draw() * 50_000);
      } else if (way < 0.6) {
        end(pick(["sent", "sent", "torn", "unsent"]));
      } else {
        const [name, old] = pick([...wishes]) ?? [];
        if (name !== undefined && old !== undefined && draw() < 0.4) {
          const reply = await ask(bench, old.asked);
          const isRepeat = bench.clock.now() - old.at < answerKept && reply.keys.length > 0;
          const known = [...seen].filter(([, piece]) => piece.wishes.has(name)).map(([id]) => id);
          // A stop in order frees what never left, token or not.
          if (isRepeat && known.some((id) => seen.get(id)?.received.has(name))) {
            t.deepEqual(ids(reply).sort(), known.sort(), `seed ${seed}: a repeat of ${name}`);
          }
          // After its time it is a new wish, also under the same token.
          const same = ids(reply).some((id) => known.includes(id));
          const other = `wish ${wish++}`;
          answer(same ? name : other, reply);
          if (!same) {
            wishes.delete(name);
            if (reply.keys.length > 0) wishes.set(other, { ...old, at: bench.clock.now() });
          }
        } else {
          const asked: Asked = {
            km: pick(["km-1", "km-2"]),
            number: 1 + Math.floor(draw() * 4),
            size: pick([256, 128, 64]),
            ...(draw() < 0.5 && { token: `token of this length ${wish}` }),
          };
          const fresh = `wish ${wish++}`;
          const reply = await ask(bench, asked);
          answer(fresh, reply);
          if (reply.keys.length > 0 && asked.token !== undefined) {
            wishes.set(fresh, { asked, at: bench.clock.now() });
          }
        }
      }
    }
    while (sending.length > 0) end(pick(["sent", "torn", "unsent"]));
    await bench.clock.advance(answerKept);
    await durable(bench);
    // Everything is settled: with the KM, free, or kept back.
    for (const { assigned, delivered, quarantined, state } of bench.ledger.blocks()) {
      if (state === "complete") continue;
      for (const [id, { claimant }] of assigned) {
        const settled = delivered.has(id) || quarantined.has(id) || claimant === unclaimed;
        t.true(settled, `seed ${seed}: ${id} is neither`);
        if (delivered.has(id))
          t.is(seen.get(id)?.received.size, 1, `seed ${seed}: ${id} was not sent`);
        if (quarantined.has(id)) discarded++;
      }
    }
    // The operator gives up what is kept back; the KM takes all that is free.
    for (const { key_ID } of bench.custody.keptBackKeys.list(10_000)) {
      bench.custody.keptBackKeys.discard(key_ID as string);
    }
    await durable(bench);
    bench.module.offer();
    for (const size of [64, 128, 256]) {
      for (;;) {
        const reply = await ask(bench, { size, number: 100 });
        if (reply.keys.length === 0) break;
        answer(`rest ${wish++}`, reply);
        end("sent");
      }
    }
    await durable(bench);
    bench.module.offer();
    await durable(bench);
    t.is(bench.module.blocks.size, 0, `seed ${seed}: every block is let go of`);
    t.is(bench.custody.counters().held_blocks, 0);
    t.true(discarded > 0);
    // No bit was given under two IDs: the lengths of a block's keys are at most the block's.
    const given = new Map<string, number>();
    for (const [id, bytes] of content) {
      if (seen.get(id)?.received.size === 0) continue;
      const block = bytes.slice(0, 2);
      given.set(block, (given.get(block) ?? 0) + bytes.length * 4);
    }
    for (const bits of given.values()) t.true(bits <= 3 * 256);
  });
}

for (let seed = 1; seed <= rounds(27); seed++) {
  test(`whatever is lost, and whenever the node dies, no key is for two requests (seed ${seed})`, (t) =>
    story(t, seed));
}
