/** Stretches of the week in which a policy holds ("from 9 to 21 h", IMDA RS QKDN §7.3), by UTC. */

export interface Hours {
  /** Minutes from midnight, UTC; over midnight if it ends before it begins. Both alike: the whole day. */
  readonly from: number;
  readonly until: number;
  /** Days on which it begins, 0 (Sunday) to 6; absent: all. */
  readonly days?: readonly number[];
}

const dayMinutes = 1_440;

/** @param wall ms since 1970 UTC */
export function isWithin(hours: readonly Hours[], wall: number): boolean {
  const minute = Math.floor(wall / 60_000) % dayMinutes;
  const day = new Date(wall).getUTCDay();
  return hours.some(({ from, until, days }) => {
    const beganOn = (one: number) => days === undefined || days.includes(one);
    if (from < until) return from <= minute && minute < until && beganOn(day);
    return (minute >= from && beganOn(day)) || (minute < until && beganOn((day + 6) % 7));
  });
}

/** The highest rate of the hours that a time is in, bit/s; 0 outside of all. */
export function rateAt(
  hours: readonly (Hours & { readonly rate: number })[],
  wall: number,
): number {
  return hours.reduce((most, one) => (isWithin([one], wall) ? Math.max(most, one.rate) : most), 0);
}
