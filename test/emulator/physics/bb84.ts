/**
 * How much key a link gives: decoy-state BB84 with infinitely many decoy states, in the limit of long
 * keys (Ma, Qi, Zhao, Lo, "Practical decoy state for quantum key distribution", Phys. Rev. A 72,
 * 012326 (2005); equations are numbered as there). Pure.
 *
 *     η  = 10^(−(α·L + extra)/10) · η_Bob                              (6)
 *     Qµ = Y0 + 1 − e^(−η·µ)                                           (10)
 *     Eµ = (e0·Y0 + e_det·(1 − e^(−η·µ))) / Qµ                         (11)
 *     Q1 = (Y0 + η)·µ·e^(−µ),  e1 = (e0·Y0 + e_det·η) / (Y0 + η)       (8), (9)
 *     R  = q·(−Qµ·f·H2(Eµ) + Q1·(1 − H2(e1)))                          (1)
 *
 * with e0 = 1/2 and q = 1/2. An eavesdropper who intercepts and resends a fraction of the pulses in a
 * basis of her choice guesses wrong half of the time, and then half of her results are wrong: a
 * quarter of that fraction is added to Eµ and to e1.
 */

export interface Bb84 {
  /** Loss of the fibre, dB/km. */
  readonly alpha: number;
  /** Transmittance of Bob's side, with his detectors' efficiency. */
  readonly bobEfficiency: number;
  /** Probability of a click without a photon, for each pulse. */
  readonly darkCounts: number;
  /** Probability that a photon goes to the wrong detector. */
  readonly misalignment: number;
  /** Inefficiency of error correction, 1 or more. */
  readonly correction: number;
  /** Mean photon number of a signal pulse. */
  readonly mu: number;
  /** Pulses per second. */
  readonly pulseRate: number;
}

export const presets = {
  /** Gobby, Yuan, Shields 2004, as in the paper above. */
  gys: {
    alpha: 0.21,
    bobEfficiency: 0.045,
    darkCounts: 1.7e-6,
    misalignment: 0.033,
    correction: 1.22,
    mu: 0.48,
    pulseRate: 2e6,
  },
  /** A gigahertz source and superconducting nanowire detectors: typical, not of one publication. */
  snspd: {
    alpha: 0.19,
    bobEfficiency: 0.4,
    darkCounts: 1e-7,
    misalignment: 0.01,
    correction: 1.16,
    mu: 0.48,
    pulseRate: 1e9,
  },
} as const satisfies Record<string, Bb84>;

export type PresetName = keyof typeof presets;

export interface Yield {
  /** Clicks per second. */
  readonly rawRate: number;
  /** Clicks in the right basis, per second. */
  readonly siftedRate: number;
  /** 0 to 0.5 */
  readonly qber: number;
  /** bit/s; 0 where no key can be distilled */
  readonly secretKeyRate: number;
  /** Dark counts per second, of all detectors. */
  readonly darkRate: number;
}

const vacuumError = 0.5;
const sifting = 0.5;

/** Entropy of a bit that is 1 with probability p, bits. */
export function binaryEntropy(p: number): number {
  if (p <= 0 || p >= 1) return 0;
  return -p * Math.log2(p) - (1 - p) * Math.log2(1 - p);
}

/**
 * @param km length of the fibre
 * @param extraLoss dB beside the fibre's
 * @param intercepted fraction of pulses that are intercepted and resent, 0 to 1
 */
export function distil(link: Bb84, km: number, extraLoss = 0, intercepted = 0): Yield {
  const { alpha, bobEfficiency, darkCounts, misalignment, correction, mu, pulseRate } = link;
  const transmittance = 10 ** (-(alpha * km + extraLoss) / 10) * bobEfficiency;
  const signal = 1 - Math.exp(-transmittance * mu);
  const gain = darkCounts + signal;
  const disturbed = intercepted / 4;
  const limit = (error: number) => Math.min(0.5, error + disturbed);
  const qber = limit((vacuumError * darkCounts + misalignment * signal) / gain);
  const singleYield = darkCounts + transmittance;
  const singleGain = singleYield * mu * Math.exp(-mu);
  const singleError = limit(
    (vacuumError * darkCounts + misalignment * transmittance) / singleYield,
  );
  const rate =
    sifting *
    (singleGain * (1 - binaryEntropy(singleError)) - gain * correction * binaryEntropy(qber));
  return {
    rawRate: pulseRate * gain,
    siftedRate: pulseRate * gain * sifting,
    qber,
    secretKeyRate: pulseRate * Math.max(0, rate),
    darkRate: pulseRate * darkCounts,
  };
}
