/** What a key on the keyboard does to the running link, and what to watch then. */
import type { KmOfPair } from "../../test/rig/km-pair.ts";
import type { Rig } from "../../test/rig/rig.ts";
import type { ShownKms } from "./kms.ts";
import type { DemoSource } from "./source.ts";

export interface Scene {
  /** One character. */
  readonly key: string;
  /** What it would do now. */
  label(): string;
  /** Does it. @returns what happens, and what to watch */
  press(): Promise<string>;
}

/** A fibre with this much more loss lets nothing through, dB. */
const cut = 100;
/** Part of the pulses that the eavesdropper intercepts: enough for an alarm, and for no key. */
const intercepted = 0.4;

/** Cuts a fibre, and puts an eavesdropper on it. @param fibre which, for a sentence */
export function disturb({ physics }: DemoSource, fibre: string): Scene[] {
  if (physics === undefined) return [];
  const { link, chain } = physics;
  /** @returns whether it is in force now */
  const toggle = (name: "loss" | "eve", value: number) => {
    // A recording cannot be disturbed.
    chain.skip();
    const on = link.condition(name) === 0;
    link.change(name, on ? value : 0);
    return on;
  };
  const named = `${fibre.slice(0, 1).toUpperCase()}${fibre.slice(1)}`;
  return [
    {
      key: "f",
      label: () => (link.condition("loss") === 0 ? "cut the fibre" : "mend the fibre"),
      press: async () =>
        toggle("loss", cut)
          ? `${named} is cut: no light, no key. What was distilled before still goes to the KMs.`
          : `${named} is mended: blocks come again, under numbers that follow on.`,
    },
    {
      key: "e",
      label: () => (link.condition("eve") === 0 ? "eavesdrop" : "stop eavesdropping"),
      press: async () =>
        toggle("eve", intercepted)
          ? "Somebody measures 40 % of the pulses: the QBER rises, and no key comes of it any more."
          : "The eavesdropper is gone: the QBER falls, and keys flow again.",
    },
  ];
}

export function createScenes(rig: Rig, source: DemoSource, kms?: ShownKms): Scene[] {
  const scenes = disturb(source, "the fibre");
  const { alice, bob } = rig;
  if (rig.kms !== undefined && kms !== undefined) scenes.push(killKm(rig.kms.alice, kms));
  if (alice.kmAt === undefined) {
    let listens = true;
    scenes.push({
      key: "k",
      label: () => (listens ? "stop Alice's KM" : "start Alice's KM"),
      async press() {
        listens = !listens;
        if (!listens) {
          await alice.km.stop();
          return "Alice's KM is stopped: her keys wait in her module, and none is lost. Bob's go on.";
        }
        await alice.km.listen();
        return "Alice's KM is back: it gets what waited, each key once, and both hold the same again.";
      },
    });
  }
  scenes.push(
    {
      key: "n",
      label: () => (bob.node.running ? "kill Bob's node" : "start Bob's node"),
      async press() {
        if (bob.node.running) {
          await bob.node.stop("SIGKILL");
          return "Bob's node was killed, in the middle of it. His module keeps what was not released.";
        }
        bob.node.start();
        return "Bob's node starts: its ledger says what his KM has; the rest is supplied, under the same IDs.";
      },
    },
    {
      key: "u",
      label: () => (rig.pair.alice.port.plugged ? "pull Alice's cable" : "put Alice's cable back"),
      async press() {
        const { alice: end } = rig.pair;
        if (end.port.plugged) {
          end.unplug();
          return "The cable to Alice's module is out: nothing reaches her node. Bob's keys go on.";
        }
        end.plug();
        return "The cable is back: the module offers again what it was not told to release.";
      },
    },
  );
  return scenes;
}

/** Alice's key manager is killed, and started again. */
function killKm(km: KmOfPair, kms: ShownKms): Scene {
  return {
    key: "k",
    label: () => (km.process.running ? "kill Alice's KM" : "start Alice's KM"),
    async press() {
      if (km.process.running) {
        await km.process.stop("SIGKILL");
        return "Alice's KM was killed: her keys wait in her module; Bob's KM stores his, uncompared.";
      }
      await km.start(AbortSignal.timeout(20_000));
      await kms.look();
      return "Alice's KM is back: both books are compared, then what waited at either end.";
    },
  };
}

/**
 * Takes keys from a terminal until it is told to stop.
 * @param told what a key did
 * @param end q, Ctrl-C or Ctrl-D, or the terminal is gone
 * @returns gives the terminal back
 */
export function takeKeys(
  scenes: readonly Scene[],
  told: (text: string) => void,
  end: () => void,
): () => void {
  const { stdin } = process;
  let busy = false;
  const onData = (text: string) => {
    for (const key of text) {
      if (key === "q" || key === "\u0003" || key === "\u0004") end();
      const scene = scenes.find((one) => one.key === key.toLowerCase());
      if (scene === undefined || busy) continue;
      busy = true;
      scene
        .press()
        .then(told, (error: Error) => told(`That did not work: ${error.message}`))
        .finally(() => {
          busy = false;
        });
    }
  };
  stdin.setEncoding("utf8");
  // Stays: a terminal that was closed fails also when it is given back.
  stdin.on("error", end).on("end", end);
  stdin.setRawMode(true);
  stdin.on("data", onData);
  stdin.resume();
  return () => {
    stdin.off("data", onData);
    stdin.setRawMode(false);
    stdin.pause();
  };
}
