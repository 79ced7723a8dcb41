/** A number as a person types it: digits, from 1 on. Pure. @returns undefined if it is none */
export function numberOf(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}
