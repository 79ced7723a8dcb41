/** `qkd-controller doctor`, `qkd-controller support-bundle`: which program it is that is looked at. */
import { systemClock } from "../../base/clock.ts";
import {
  type Asked,
  type DoctorOf,
  doctor as lookAt,
  supportBundle as makeBundle,
} from "../../ops/support/doctor.ts";
import { controllerBundle } from "../bundle/kind.ts";
import { loadControllerConfig, readControllerConfig } from "../config/load.ts";
import { redactedTable } from "../config/redact.ts";
import { examine } from "../doctor/doctor.ts";
import { controllerSockets, standardSocket } from "../local/local.ts";

const controller: DoctorOf = {
  who: { called: "the controller", command: "qkd-controller" },
  table: "controller",
  standardSocket,
  sockets: (file) => controllerSockets(readControllerConfig(file)),
  examine: (file, ask, onStep) =>
    examine(
      {
        file,
        load: () => loadControllerConfig(file),
        read: () => readControllerConfig(file),
        ask,
        clock: systemClock,
        proc: "/proc",
        sys: "/sys",
      },
      onStep,
    ),
  bundle: () => controllerBundle,
  redacted: redactedTable,
};

/** @returns the exit code: 1 if a check failed */
export function doctor(asked: Asked): Promise<number> {
  return lookAt(controller, asked);
}

/** @param wanted where to; undefined: a name of its own, here @throws CliError */
export function supportBundle(asked: Asked, wanted: string | undefined): Promise<number> {
  return makeBundle(controller, asked, wanted);
}
