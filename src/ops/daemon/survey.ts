/** A daemon's own certificates, its revocation lists and its clock, looked at for alarms. */
import type { Clock } from "../../base/clock.ts";
import type { CertificateFiles, ListFilesOf } from "../../host/tls/report.ts";
import { listsValidity, validity } from "../../host/tls/validity.ts";
import { lookEvery } from "../../host/tls/watch.ts";
import type { MachineRules } from "../alarms/machine-alarms.ts";

/** What of a configuration names certificates and lists. */
export interface SurveyedFiles {
  readonly certificates: readonly CertificateFiles[];
  readonly lists: readonly ListFilesOf[];
}

export class Survey {
  readonly #certificates: ReadonlyMap<string, string>;
  readonly #lists: SurveyedFiles["lists"];
  readonly #rules: MachineRules;
  readonly #clock: Clock;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor({ certificates, lists }: SurveyedFiles, rules: MachineRules, clock: Clock) {
    this.#certificates = new Map(
      certificates.flatMap(({ for: name, cert }) => (cert === undefined ? [] : [[name, cert]])),
    );
    this.#lists = lists;
    this.#rules = rules;
    this.#clock = clock;
  }

  /** Whether an alarm about a certificate or list is about one of the configuration. */
  knows(object: string): boolean {
    return this.#certificates.has(object) || this.#lists.some(({ for: name }) => name === object);
  }

  /** Called once a second; files are read once a minute. */
  look(): void {
    const now = this.#clock.now();
    this.#rules.clock({ now, wall: this.#clock.wall() });
    if (now - this.#lookedAt >= lookEvery) this.lookAtFiles();
  }

  /** Now, as files may be others. */
  lookAtFiles(): void {
    const [now, wall] = [this.#clock.now(), this.#clock.wall()];
    this.#lookedAt = now;
    for (const [object, file] of this.#certificates) {
      this.#rules.certificate(object, validity(file), { now, wall });
    }
    for (const { for: object, ...files } of this.#lists) {
      this.#rules.lists(object, listsValidity(files, wall), files.crlFresh, { now, wall });
    }
  }
}
