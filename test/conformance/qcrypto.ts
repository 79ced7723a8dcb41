/** A qcrypto stack that leaves its files in a folder, for the conformance suite. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileName, writeHeader } from "../../drivers/qcrypto/file.ts";
import { qcrypto } from "../../drivers/qcrypto/kind.ts";
import { blockName } from "../../src/port/key.ts";
import { QcryptoStack } from "../emulator/qcrypto.ts";
import { keyBytes } from "./qmlp.ts";
import type { Made, Malformation, Specimen } from "./specimen.ts";

const linkEpoch = "0000000000000000";
const first = 0xb8b5c000;
/** Far after every block that a test makes. */
const odd = 0xf0000000;

export function qcryptoSpecimen(): Promise<Specimen> {
  const root = mkdtempSync(join(tmpdir(), "qkd-qcrypto-"));
  const stack = new QcryptoStack(root);
  let moduleId = "QKD-A-0001";
  let number = 0;
  let oddities = 0;
  /** A name in the folder that no good block has. */
  const oddPath = () => join(stack.folder, fileName(odd + oddities++));
  const malformation = (name: string, act: () => void): Malformation => ({
    name,
    inject() {
      act();
      return Promise.resolve();
    },
  });
  return Promise.resolve({
    driver: (context) =>
      qcrypto.create(
        {
          folder: stack.folder,
          pipe: stack.pipe,
          module_id: moduleId,
          matching_module_id: "QKD-B-0001",
          role: "alice",
          epoch: linkEpoch,
          max_block_bytes: 1_048_576,
          notification_wait_s: 1,
        },
        context,
      ),
    distil(bits): Promise<Made> {
      const epoch = first + 5 * number++;
      const bytes = keyBytes(number, bits);
      stack.distil({ epoch, bits, bytes, siftedBits: bits * 2, qber: 0.031, epochs: 5 });
      const ref = { epoch: linkEpoch, number: epoch };
      return Promise.resolve({ facts: { ref, bits, qber: 0.031, siftedBits: bits * 2 }, bytes });
    },
    held: () =>
      Promise.resolve(
        stack
          .epochs()
          .filter((epoch) => epoch < odd)
          .map((epoch) => blockName({ epoch: linkEpoch, number: epoch })),
      ),
    unplug: () => Promise.resolve(stack.hide()),
    plug: () => Promise.resolve(stack.show()),
    restart: () => Promise.resolve(stack.restart()),
    identity(id) {
      moduleId = id;
      return Promise.resolve();
    },
    malformations: [
      malformation("garbage in the pipe", () => stack.say(randomBytes(3_000))),
      malformation("a line without an end", () => stack.say("b".repeat(20_000))),
      malformation("NUL bytes before a line", () => stack.say("\n\0\0\0\0")),
      malformation("a notification of a file that is not there", () => stack.say("f0ffffff\n")),
      malformation("a file that is never finished", () => {
        writeFileSync(oddPath(), writeHeader({ epoch: odd, epochs: 5, bits: 4_096 }));
      }),
      malformation("a file of another epoch than its name", () => {
        writeFileSync(oddPath(), writeHeader({ epoch: 1, epochs: 5, bits: 0 }));
      }),
      malformation("a file that is no key", () => writeFileSync(oddPath(), randomBytes(100))),
      malformation("a file longer than allowed", () => {
        writeFileSync(oddPath(), writeHeader({ epoch: odd + 4, epochs: 5, bits: 0xffff_fff0 }));
      }),
      malformation("a link", () => symlinkSync("/etc/hostname", oddPath())),
      malformation("a folder", () => mkdirSync(oddPath())),
      malformation("files of other names", () => {
        writeFileSync(join(stack.folder, "B8B5C000"), "x");
        writeFileSync(join(stack.folder, "core.1234"), "x");
      }),
    ],
    close() {
      stack.close();
      rmSync(root, { recursive: true, force: true });
      return Promise.resolve();
    },
  });
}
