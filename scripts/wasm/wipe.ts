/** Zeros over what was key. Pure. */
import { get, i32, i32x4, type Routine, repeat, tee, v128, when } from "./assembler.ts";

const from = 0;
const end = 1;

/** `wipe(from, end)`: writes up to 15 bytes more than that, whole vectors. */
export const wipe: Routine = {
  name: "wipe",
  parameters: 2,
  i32s: 0,
  v128s: 0,
  body: [
    when(i32.ltU(get(from), get(end)), [
      repeat(
        [v128.store(get(from), i32x4.splat(0))],
        i32.ltU(tee(from, i32.add(get(from), i32.const(16))), get(end)),
      ),
    ]),
  ],
};
