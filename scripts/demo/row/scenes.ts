/** What a key on the keyboard does to the running network, and what to watch then. */
import type { NetworkRig } from "../../../test/rig/network-rig.ts";
import { disturb, type Scene } from "../scenes.ts";
import type { DemoSource } from "../source.ts";
import type { NetworkKms } from "./kms.ts";

export function rowScenes(rig: NetworkRig, first: DemoSource, kms: NetworkKms): Scene[] {
  const [alice, bob] = [rig.place("alice"), rig.place("bob")];
  const module = rig.fibres[0]?.ends[0];
  return [
    ...disturb(first, "the fibre of Alice and Bob"),
    {
      key: "k",
      label: () => (bob.km.process.running ? "kill Bob's KM" : "start Bob's KM"),
      async press() {
        if (bob.km.process.running) {
          await bob.km.process.stop("SIGKILL");
          return "Bob's KM was killed: nothing is relayed. Alice and Carol use what they have in stock.";
        }
        bob.km.process.lines.length = 0;
        bob.km.process.start();
        await bob.km.process.logged(/msg="running"/, AbortSignal.timeout(20_000));
        await kms.look();
        return "Bob's KM is back: books are compared on both of its links, and keys are relayed again.";
      },
    },
    {
      key: "n",
      label: () => (bob.node.running ? "kill Bob's node" : "start Bob's node"),
      async press() {
        if (bob.node.running) {
          await bob.node.stop("SIGKILL");
          return "Bob's node was killed, in the middle of it. His modules keep what was not released.";
        }
        bob.node.start();
        return "Bob's node starts: its ledger says what his KM has; the rest is supplied, under the same IDs.";
      },
    },
    {
      key: "u",
      label: () => (module?.end.port.plugged ? "pull Alice's cable" : "put Alice's cable back"),
      async press() {
        if (module?.end.port.plugged) {
          module.end.unplug();
          return `The cable to Alice's module is out: nothing reaches ${alice.nodeId}. The others go on.`;
        }
        module?.end.plug();
        return "The cable is back: the module offers again what it was not told to release.";
      },
    },
  ];
}
