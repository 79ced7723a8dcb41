/**
 * Whether photons of the other end arrive, from what a module's figures say together. Detectors click
 * in the dark as well: their clicks are sifted bits, half of which are wrong. Pure.
 *
 * What links look like (`test/emulator/physics`; rates per second):
 *
 * |                          | QBER      | sifted rate         | clicks    | loss    |
 * |--------------------------|-----------|---------------------|-----------|---------|
 * | good                     | 0.01–0.05 | usual               | ≫ dark    | usual   |
 * | an eavesdropper on all   | 0.25–0.30 | usual               | ≫ dark    | usual   |
 * | badly aligned            | up to 0.5 | usual               | ≫ dark    | usual   |
 * | fibre cut, detector dead | 0.35–0.5  | a thousandth or so  | like dark | high    |
 */
import type { FigureName, TelemetrySample } from "../../port/telemetry.ts";
import { list, number } from "./figures.ts";

/** Half of the bits of dark counts are wrong; an eavesdropper who takes every photon adds a quarter. */
const noiseQber = 0.4;
/** A sifted rate below this part of its own average has fallen away. */
const fallenPart = 0.05;
/** Clicks up to this many times the dark counts, and a few, are dark. */
const darkTimes = 2;
const fewClicks = 10;
/** No link distils over so much loss, dB. */
const hopelessLoss = 60;
/** How much a sample counts in the usual sifted rate. */
const weight = 0.01;

export class Light {
  /** Usual sifted rate while there is key, bit/s. */
  #usual: number | undefined;

  /** @returns undefined if the module does not report enough to tell */
  see(sample: TelemetrySample): boolean | undefined {
    const sifted = number(sample, "sifted_rate");
    const secret = number(sample, "secret_key_rate");
    if (secret !== undefined && secret > 0) {
      if (sifted !== undefined)
        this.#usual = (this.#usual ?? sifted) * (1 - weight) + sifted * weight;
      return true;
    }
    if (sifted === 0 || number(sample, "raw_rate") === 0) return false;
    const qber = number(sample, "qber");
    if (qber === undefined && secret === undefined && sifted === undefined) return undefined;
    const fallen =
      sifted === undefined || this.#usual === undefined
        ? undefined
        : sifted < fallenPart * this.#usual;
    const isDark = clicksAreDark(sample);
    if (fallen === true && isDark === true) return false;
    if (qber !== undefined && qber >= noiseQber) {
      if (fallen === true || isDark === true) return false;
      const loss = number(sample, "channel_loss");
      if (loss !== undefined && loss >= hopelessLoss) return false;
      // Another figure shows that photons arrive: then the errors have another cause than darkness.
      return [fallen, isDark, loss].some((sign) => sign !== undefined);
    }
    if (sifted !== undefined) return true;
    return qber === undefined ? false : undefined;
  }
}

function clicksAreDark(sample: TelemetrySample): boolean | undefined {
  const sum = (name: FigureName) => list(sample, name).reduce((all, each) => all + each, 0);
  if (list(sample, "detector_counts").length === 0 || list(sample, "dark_counts").length === 0) {
    return undefined;
  }
  return sum("detector_counts") <= darkTimes * sum("dark_counts") + fewClicks;
}
