/**
 * Whatever can happen to a link, drawn at random while keys flow: to its KMs, its modules, its lines
 * and its nodes. After each the node must go on; in the end the three ledgers must fit together.
 */
import { systemClock } from "../../src/base/clock.ts";
import { keyBytes } from "../conformance/qmlp.ts";
import { answerWith, dropConnection, neverAnswer } from "../emulator/km/index.ts";
import { random } from "../random.ts";
import { type EndName, endNames, Rig } from "../rig/rig.ts";
import { auditRig } from "./audit-rig.ts";
import { Witness } from "./witness.ts";

export interface TroubleResult {
  readonly troubles: number;
  readonly keys: number;
  /** Blocks that a module replayed and the node took for what they were. */
  readonly replayed: number;
  readonly broken: readonly string[];
}

const keyBits = 256;
const blockBits = 2_048;
const epoch = "00112233aabbccdd";
const deadlineMs = 60_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Scene {
  readonly rig: Rig;
  readonly witness: Witness;
  readonly end: EndName;
  readonly draw: () => number;
}

const troubles: Readonly<Record<string, (scene: Scene) => Promise<void> | void>> = {
  "KM drops before storing": ({ rig, end }) =>
    void rig[end].km.behave(dropConnection("before storing", 3)),
  "KM drops before answering": ({ rig, end }) =>
    void rig[end].km.behave(dropConnection("before answering", 3)),
  "KM is busy": ({ rig, end }) => void rig[end].km.behave(answerWith("busy", 4)),
  "KM finds a hash wrong": ({ rig, end }) =>
    void rig[end].km.behave(answerWith("hash_mismatch", 2)),
  "KM refuses for good": ({ rig, end }) =>
    void rig[end].km.behave(answerWith("invalid_message", 1)),
  "KM swallows keys": ({ rig, end }) => void rig[end].km.behave(neverAnswer("before storing", 2)),
  "KM swallows answers": ({ rig, end }) =>
    void rig[end].km.behave(neverAnswer("before answering", 2)),
  async "KM is restarted"({ rig, end, draw }) {
    await rig[end].km.stop();
    await pause(draw() * 300);
    await rig[end].km.listen();
  },
  async "KM is restarted empty"({ rig, witness, end }) {
    await rig[end].km.stop();
    witness.remember(end, rig[end].km.store);
    rig[end].km.store.wipe();
    await rig[end].km.listen();
  },
  async "KM is restarted on an older database"({ rig, witness, end }) {
    const { km } = rig[end];
    await km.stop();
    witness.remember(end, km.store);
    km.store.rollBack(Math.max(0, km.store.size - 20));
    await km.listen();
  },
  "module is reset in the middle": ({ rig, end }) => rig.pair[end].reset(),
  async "module is unplugged"({ rig, end, draw }) {
    rig.pair[end].port.unplug();
    await pause(draw() * 300);
    rig.pair[end].port.plug();
  },
  "module falls silent": ({ rig, end, draw }) => rig.pair[end].line.stall(500 + draw() * 2_500),
  async "another module answers"({ rig, end, draw }) {
    const { moduleId } = rig.pair[end].module.identity;
    rig.pair[end].rename("QKD-X-9999");
    await pause(draw() * 400);
    rig.pair[end].rename(moduleId);
  },
  "module floods the line": ({ rig, end, draw }) => {
    for (let i = 0; i < 20; i++) {
      rig.pair[end].port.send(Buffer.from(Array.from({ length: 5_000 }, () => draw() * 256)));
    }
  },
  "module replays old blocks": ({ rig, end }) => {
    const { module } = rig.pair[end];
    const old = [...module.history.values()].filter(({ released }) => released).slice(-5);
    for (const { facts } of old) {
      module.distill(facts, keyBytes(facts.ref.number, facts.bits));
    }
  },
  async "the line is noisy"({ rig, end, draw }) {
    rig.pair[end].line.noise({ bitErrors: 3e-5, drops: 3e-5 });
    await pause(draw() * 400);
    rig.pair[end].line.noise({ bitErrors: 0, drops: 0 });
  },
  async "node is killed"({ rig, end }) {
    await rig[end].node.stop("SIGKILL");
    rig[end].node.start();
  },
  async "node is stopped and started"({ rig, end }) {
    await rig[end].node.stop();
    rig[end].node.start();
  },
  async "node stands still"({ rig, end, draw }) {
    rig[end].node.signal("SIGSTOP");
    await pause(draw() * 3_000);
    rig[end].node.signal("SIGCONT");
  },
  async "broker is away"({ rig, draw }) {
    await rig.broker.close();
    await pause(draw() * 300);
    await rig.broker.listen();
  },
};

export const troubleNames = Object.keys(troubles);

/**
 * @param rounds each has every trouble once, in an order of its own
 * @param most troubles of a round, the first of that order
 */
export async function meetTroubles(
  rounds: number,
  seed: number,
  most = troubleNames.length,
): Promise<TroubleResult> {
  const draw = random(seed);
  let more = true;
  let number = 0;
  const witness = new Witness(
    {
      name: "numbers",
      total: undefined,
      next() {
        if (!more) return undefined;
        const ref = { epoch, number };
        const bytes = keyBytes(number++, blockBits);
        return {
          facts: { ref, bits: blockBits, qber: 0.02 },
          alice: Buffer.from(bytes),
          bob: bytes,
        };
      },
    },
    keyBits,
  );
  const rig = await Rig.start({
    source: witness.source,
    keyBits,
    baud: 0,
    blockIntervalMs: 20,
    answerTimeout: 1,
    clock: systemClock,
  });
  const broken: string[] = [];
  let met = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      for (const name of shuffled(troubleNames, draw).slice(0, most)) {
        const end = endNames[Math.floor(draw() * 2)] as EndName;
        const before = rig.ends.map(({ km }) => km.counts.answers.success);
        await troubles[name]?.({ rig, witness, end, draw });
        met++;
        const onward = () =>
          rig.ends.every(({ km }, i) => km.counts.answers.success > (before[i] ?? 0) + 5);
        await rig.until("keys go on", onward, { deadlineMs }).catch(() => {
          broken.push(`nothing goes on after "${name}" at ${end}`);
        });
        if (broken.length > 0) break;
      }
    }
    more = false;
    const settled = () => rig.settled();
    await rig.until("all is settled", settled, { deadlineMs }).catch(() => {});
    const events = rig.ends.flatMap(({ nodeId }) => [...rig.view.node(nodeId).events.values()]);
    const replayed = events.filter(({ type }) => type === "block_replayed").length;
    await Promise.all(rig.ends.map(({ node }) => node.stop()));
    const found = auditRig(rig, witness);
    broken.push(...found.broken);
    return { troubles: met, keys: found.keys, replayed, broken };
  } finally {
    for (const { node } of rig.ends) node.signal("SIGCONT");
    await rig.close();
  }
}

function shuffled(names: readonly string[], draw: () => number): string[] {
  return names
    .map((name) => ({ name, at: draw() }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
}
