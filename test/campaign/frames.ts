/**
 * Frames through a noisy line into the deframer: no frame may be taken that was not sent, and each
 * undamaged frame must be taken once the 0x00 before it was (QMLP §1).
 */
import { Deframer } from "../../drivers/qmlp/deframer.ts";
import { flagReliable, type, wireBound, writeFrame } from "../../drivers/qmlp/frame.ts";
import { Noise, type NoiseRates } from "../emulator/faults/noise.ts";
import { random } from "../random.ts";

export interface FramesResult {
  readonly frames: number;
  readonly faults: number;
  /** Frames that were taken. */
  readonly taken: number;
  /** Frames that were taken and are not, byte for byte, one that was sent. Must be 0. */
  readonly wrong: number;
  /** Undamaged frames after an undamaged 0x00 that were not taken. Must be 0. */
  readonly missed: number;
}

const maxBody = 1_024;

/** The body of frame `number`: its number, and bytes that follow from it, in a length of its own. */
function fill(body: Buffer, number: number): Buffer {
  const length = 4 + (((number * 2_654_435_761) >>> 0) % (number % 16 === 0 ? 1_020 : 120));
  const bytes = body.subarray(0, length);
  bytes.writeUInt32LE(number >>> 0, 0);
  let state = (number ^ 0x9e37_79b9) | 0;
  for (let i = 4; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function framesThroughNoise(count: number, rates: NoiseRates, seed: number): FramesResult {
  const noise = new Noise(rates, random(seed));
  const target = Buffer.alloc(wireBound(maxBody));
  const body = Buffer.alloc(maxBody);
  const expected = Buffer.alloc(maxBody);
  let taken = 0;
  let wrong = 0;
  let missed = 0;
  let came = false;
  let number = 0;
  const deframer = new Deframer(maxBody, (frame) => {
    taken++;
    const said = frame.body.length >= 4 ? frame.body.readUInt32LE(0) : -1;
    // A frame comes when its 0x00 does, or when an inserted one ends it: at the time of its number.
    if (said !== number || !fill(expected, number).equals(frame.body)) wrong++;
    else came = true;
  });
  // Before the first frame there is a 0x00 (QMLP §1).
  deframer.push(Buffer.alloc(1));
  let delimited = true;
  for (; number < count; number++) {
    const bytes = fill(body, number);
    const end = writeFrame(type.more, flagReliable, number & 0xffff, 0, bytes, target, 0);
    let damagedAt = -1;
    let last = -1;
    const wire = noise.pass(target.subarray(0, end), (offset) => {
      if (damagedAt < 0) damagedAt = offset;
      last = offset;
    });
    came = false;
    deframer.push(wire);
    if (delimited && damagedAt < 0 && !came) missed++;
    delimited = last !== end - 1;
  }
  return { frames: count, faults: noise.faults, taken, wrong, missed };
}
