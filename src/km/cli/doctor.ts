/** `qkd-km doctor`, `qkd-km support-bundle`: which program it is that is looked at. */
import { systemClock } from "../../base/clock.ts";
import {
  type Asked,
  type DoctorOf,
  doctor as lookAt,
  supportBundle as makeBundle,
} from "../../ops/support/doctor.ts";
import { kmBundle } from "../bundle/kind.ts";
import { type KmConfig, loadKmConfig, readKmConfig } from "../config/load.ts";
import { redactedTable } from "../config/redact.ts";
import { examine } from "../doctor/doctor.ts";
import { kmSockets, standardKmSocket } from "../local/local.ts";

const keyManager: DoctorOf = {
  who: { called: "the key manager", command: "qkd-km" },
  table: "km",
  standardSocket: standardKmSocket,
  sockets: (file) => kmSockets(readKmConfig(file)),
  examine: (file, ask, onStep) =>
    examine(
      {
        file,
        load: () => loadKmConfig(file),
        read: () => readKmConfig(file),
        ask,
        clock: systemClock,
        proc: "/proc",
        sys: "/sys",
      },
      onStep,
    ),
  bundle: (file, wall) => kmBundle(goodConfig(file), wall),
  redacted: redactedTable,
};

/** Undefined if it is not good: the doctor says what is wrong with it. */
function goodConfig(file: string): KmConfig | undefined {
  try {
    return readKmConfig(file);
  } catch {
    return undefined;
  }
}

/** @returns the exit code: 1 if a check failed */
export function doctor(asked: Asked): Promise<number> {
  return lookAt(keyManager, asked);
}

/** @param wanted where to; undefined: a name of its own, here @throws CliError */
export function supportBundle(asked: Asked, wanted: string | undefined): Promise<number> {
  return makeBundle(keyManager, asked, wanted);
}
