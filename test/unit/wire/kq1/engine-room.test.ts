import test from "ava";
import { place, scratch, scratchPiece } from "../../../../src/wire/kq1/engine.ts";

test("pieces of the engine's memory lie behind its places, side by side, until there is none", (t) => {
  const length = 8_192;
  let end = place.result;
  for (let piece = scratchPiece(length); piece !== undefined; piece = scratchPiece(length)) {
    t.is(piece.length, length);
    t.is(piece.buffer, scratch.buffer);
    t.true(piece.byteOffset >= end);
    end = piece.byteOffset + length;
    t.true(end <= scratch.byteOffset + scratch.length);
    if (end > scratch.length * 2) break;
  }
  t.is(scratchPiece(scratch.length), undefined);
});
