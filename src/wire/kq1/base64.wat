;; Base64 and wiping, with 128-bit SIMD. What is put into the memory, and where, is the caller's (engine.ts).
;; `node scripts/wasm/main.ts` assembles this into engine-code.ts; a test compares the two.
(module
  (import "env" "memory" (memory 68 68))

  ;; Constants of base64, 16 bytes each. The loop loads them before it begins: as immediates V8 would
  ;; put each together anew in each round, which takes longer than the work.
  (data (i32.const 0)
    ;; 0x00: the first of four 6-bit values in 32 bits
    "\00\fc\00\00\00\fc\00\00\00\fc\00\00\00\fc\00\00"
    ;; 0x10: the third
    "\00\00\c0\0f\00\00\c0\0f\00\00\c0\0f\00\00\c0\0f"
    ;; 0x20: the second and the fourth
    "\f0\03\3f\00\f0\03\3f\00\f0\03\3f\00\f0\03\3f\00"
    ;; 0x30: a product shifts the two halves by different counts, 4 and 8 bits to the left
    "\10\00\00\01\10\00\00\01\10\00\00\01\10\00\00\01"
    ;; 0x40: 51, the value of the last letter
    "\33\33\33\33\33\33\33\33\33\33\33\33\33\33\33\33"
    ;; 0x50: 26, how many capitals there are
    "\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a\1a"
    ;; 0x60: 13, the class of capitals
    "\0d\0d\0d\0d\0d\0d\0d\0d\0d\0d\0d\0d\0d\0d\0d\0d"
    ;; 0x70: what makes a character of a value, by its class: a-z, ten digits, + and /, A-Z
    "\47\fc\fc\fc\fc\fc\fc\fc\fc\fc\fc\ed\f0\41\00\00")

  ;; base64(from, to, end), RFC 4648 section 4: encodes [from, end) in vectors of 12 bytes that become 16
  ;; characters; reads up to 15 bytes, and writes up to 15, more than that. Method: W. Muła and D. Lemire,
  ;; Faster Base64 Encoding and Decoding using AVX2 Instructions (ACM TWEB 12, 2018).
  (func (export "base64") (param $from i32) (param $to i32) (param $end i32)
    (local $first v128) (local $third v128) (local $others v128) (local $shifts v128)
    (local $lastLetter v128) (local $letters v128) (local $capital v128) (local $offsets v128)
    ;; Two vectors under way, so that the processor can begin one before the other is done.
    (local $x v128) (local $y v128)
    (local.set $first (v128.load (i32.const 0x00)))
    (local.set $third (v128.load (i32.const 0x10)))
    (local.set $others (v128.load (i32.const 0x20)))
    (local.set $shifts (v128.load (i32.const 0x30)))
    (local.set $lastLetter (v128.load (i32.const 0x40)))
    (local.set $letters (v128.load (i32.const 0x50)))
    (local.set $capital (v128.load (i32.const 0x60)))
    (local.set $offsets (v128.load (i32.const 0x70)))
    (if (i32.lt_u (i32.add (local.get $from) (i32.const 47)) (local.get $end)) (then
      (loop $four
        ;; Of bytes a b c a 32-bit lane gets b a c b: each 6-bit value is in one half of 16 bits then.
        (local.set $x (i8x16.shuffle 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10
          (v128.load (local.get $from)) (v128.const i32x4 0 0 0 0)))
        (local.set $x (v128.or
          (v128.or
            (i32x4.shr_u (v128.and (local.get $x) (local.get $first)) (i32.const 10))
            (i32x4.shr_u (v128.and (local.get $x) (local.get $third)) (i32.const 6)))
          (i16x8.mul (v128.and (local.get $x) (local.get $others)) (local.get $shifts))))
        ;; The class of a value: 0 for a-z, 1 to 10 for digits, 11 and 12 for + and /, 13 for A-Z.
        (v128.store (local.get $to) (i8x16.add
          (i8x16.swizzle (local.get $offsets) (v128.or
            (i8x16.sub_sat_u (local.get $x) (local.get $lastLetter))
            (v128.and (i8x16.lt_u (local.get $x) (local.get $letters)) (local.get $capital))))
          (local.get $x)))
        (local.set $y (i8x16.shuffle 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10
          (v128.load offset=12 (local.get $from)) (v128.const i32x4 0 0 0 0)))
        (local.set $y (v128.or
          (v128.or
            (i32x4.shr_u (v128.and (local.get $y) (local.get $first)) (i32.const 10))
            (i32x4.shr_u (v128.and (local.get $y) (local.get $third)) (i32.const 6)))
          (i16x8.mul (v128.and (local.get $y) (local.get $others)) (local.get $shifts))))
        (v128.store offset=16 (local.get $to) (i8x16.add
          (i8x16.swizzle (local.get $offsets) (v128.or
            (i8x16.sub_sat_u (local.get $y) (local.get $lastLetter))
            (v128.and (i8x16.lt_u (local.get $y) (local.get $letters)) (local.get $capital))))
          (local.get $y)))
        (local.set $x (i8x16.shuffle 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10
          (v128.load offset=24 (local.get $from)) (v128.const i32x4 0 0 0 0)))
        (local.set $x (v128.or
          (v128.or
            (i32x4.shr_u (v128.and (local.get $x) (local.get $first)) (i32.const 10))
            (i32x4.shr_u (v128.and (local.get $x) (local.get $third)) (i32.const 6)))
          (i16x8.mul (v128.and (local.get $x) (local.get $others)) (local.get $shifts))))
        (v128.store offset=32 (local.get $to) (i8x16.add
          (i8x16.swizzle (local.get $offsets) (v128.or
            (i8x16.sub_sat_u (local.get $x) (local.get $lastLetter))
            (v128.and (i8x16.lt_u (local.get $x) (local.get $letters)) (local.get $capital))))
          (local.get $x)))
        (local.set $y (i8x16.shuffle 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10
          (v128.load offset=36 (local.get $from)) (v128.const i32x4 0 0 0 0)))
        (local.set $y (v128.or
          (v128.or
            (i32x4.shr_u (v128.and (local.get $y) (local.get $first)) (i32.const 10))
            (i32x4.shr_u (v128.and (local.get $y) (local.get $third)) (i32.const 6)))
          (i16x8.mul (v128.and (local.get $y) (local.get $others)) (local.get $shifts))))
        (v128.store offset=48 (local.get $to) (i8x16.add
          (i8x16.swizzle (local.get $offsets) (v128.or
            (i8x16.sub_sat_u (local.get $y) (local.get $lastLetter))
            (v128.and (i8x16.lt_u (local.get $y) (local.get $letters)) (local.get $capital))))
          (local.get $y)))
        (local.set $from (i32.add (local.get $from) (i32.const 48)))
        (local.set $to (i32.add (local.get $to) (i32.const 64)))
        (br_if $four (i32.lt_u (i32.add (local.get $from) (i32.const 47)) (local.get $end))))))
    (if (i32.lt_u (local.get $from) (local.get $end)) (then
      (loop $one
        (local.set $x (i8x16.shuffle 1 0 2 1 4 3 5 4 7 6 8 7 10 9 11 10
          (v128.load (local.get $from)) (v128.const i32x4 0 0 0 0)))
        (local.set $x (v128.or
          (v128.or
            (i32x4.shr_u (v128.and (local.get $x) (local.get $first)) (i32.const 10))
            (i32x4.shr_u (v128.and (local.get $x) (local.get $third)) (i32.const 6)))
          (i16x8.mul (v128.and (local.get $x) (local.get $others)) (local.get $shifts))))
        (v128.store (local.get $to) (i8x16.add
          (i8x16.swizzle (local.get $offsets) (v128.or
            (i8x16.sub_sat_u (local.get $x) (local.get $lastLetter))
            (v128.and (i8x16.lt_u (local.get $x) (local.get $letters)) (local.get $capital))))
          (local.get $x)))
        (local.set $from (i32.add (local.get $from) (i32.const 12)))
        (local.set $to (i32.add (local.get $to) (i32.const 16)))
        (br_if $one (i32.lt_u (local.get $from) (local.get $end)))))))

  ;; wipe(from, end): zeros over [from, end), and up to 15 bytes more.
  (func (export "wipe") (param $from i32) (param $end i32)
    (if (i32.lt_u (local.get $from) (local.get $end)) (then
      (loop $next
        (v128.store (local.get $from) (v128.const i32x4 0 0 0 0))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br_if $next (i32.lt_u (local.get $from) (local.get $end))))))))
