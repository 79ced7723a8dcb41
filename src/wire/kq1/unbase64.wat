;; Base64 read, with 128-bit SIMD. What is put into the memory, and where, is the caller's (engine.ts).
;; `node scripts/wasm/main.ts` assembles this into engine-code.ts; a test compares the two.
(module
  (import "env" "memory" (memory 68 68))

  ;; Constants, 16 bytes each, behind those of base64.wat.
  (data (i32.const 0x200)
    ;; 0x200: by its lower four bits, what a character is not
    "\15\11\11\11\11\11\11\11\11\11\13\1a\1b\1b\1b\1a"
    ;; 0x210: the same by its upper four; both say so of what is none of base64
    "\10\10\01\02\04\08\04\08\10\10\10\10\10\10\10\10"
    ;; 0x220: what makes its 6-bit value of a character, by its upper four bits; of / it is one place before
    "\00\10\13\04\bf\bf\b9\b9\00\00\00\00\00\00\00\00"
    ;; 0x230: /
    "\2f\2f\2f\2f\2f\2f\2f\2f\2f\2f\2f\2f\2f\2f\2f\2f"
    ;; 0x240: the lower four bits
    "\0f\0f\0f\0f\0f\0f\0f\0f\0f\0f\0f\0f\0f\0f\0f\0f"
    ;; 0x250: the first of two 6-bit values in 16 bits
    "\ff\00\ff\00\ff\00\ff\00\ff\00\ff\00\ff\00\ff\00"
    ;; 0x260: of two 12-bit values the first comes before the second
    "\00\10\01\00\00\10\01\00\00\10\01\00\00\10\01\00")

  ;; unbase64(from, to, end, wrong), RFC 4648 section 4: decodes [from, end), whole vectors of 16 characters that
  ;; become 12 bytes; writes 4 bytes more than that. Ors 16 bytes at wrong, which are not 0 then if a character was
  ;; none of base64; padding is none. Method: see base64.wat.
  (func (export "unbase64") (param $from i32) (param $to i32) (param $end i32) (param $wrong i32)
    (local $lower v128) (local $upper v128) (local $offsets v128) (local $slash v128)
    (local $half v128) (local $first v128) (local $shifts v128)
    (local $found v128) (local $x v128) (local $high v128)
    (local.set $lower (v128.load (i32.const 0x200)))
    (local.set $upper (v128.load (i32.const 0x210)))
    (local.set $offsets (v128.load (i32.const 0x220)))
    (local.set $slash (v128.load (i32.const 0x230)))
    (local.set $half (v128.load (i32.const 0x240)))
    (local.set $first (v128.load (i32.const 0x250)))
    (local.set $shifts (v128.load (i32.const 0x260)))
    (local.set $found (v128.load (local.get $wrong)))
    (if (i32.lt_u (local.get $from) (local.get $end)) (then
      (loop $next
        (local.set $x (v128.load (local.get $from)))
        (local.set $high (i8x16.shr_u (local.get $x) (i32.const 4)))
        (local.set $found (v128.or (local.get $found) (v128.and
          (i8x16.swizzle (local.get $upper) (local.get $high))
          (i8x16.swizzle (local.get $lower) (v128.and (local.get $x) (local.get $half))))))
        (local.set $x (i8x16.add (local.get $x) (i8x16.swizzle (local.get $offsets)
          (i8x16.add (local.get $high) (i8x16.eq (local.get $x) (local.get $slash))))))
        ;; Two values of 6 bits become one of 12, and two of those one of 24, its bytes in reverse.
        (local.set $x (i32x4.dot_i16x8_s
          (v128.or
            (i16x8.shl (v128.and (local.get $x) (local.get $first)) (i32.const 6))
            (i16x8.shr_u (local.get $x) (i32.const 8)))
          (local.get $shifts)))
        (v128.store (local.get $to) (i8x16.shuffle 2 1 0 6 5 4 10 9 8 14 13 12 16 16 16 16
          (local.get $x) (v128.const i32x4 0 0 0 0)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (local.set $to (i32.add (local.get $to) (i32.const 12)))
        (br_if $next (i32.lt_u (local.get $from) (local.get $end))))))
    (v128.store (local.get $wrong) (local.get $found))))
