;; SHA-256 of short messages. What is put into the memory, and where, is the caller's (engine.ts).
;; `node scripts/wasm/main.ts` assembles this into engine-code.ts; a test compares the two.
(module
  (import "env" "memory" (memory 68 68))

  ;; Constants, FIPS 180-4 section 4.2.2, behind those of base64: words of 32 bits, little-endian here.
  (data (i32.const 0x80)
    "\98\2f\8a\42\91\44\37\71\cf\fb\c0\b5\a5\db\b5\e9"
    "\5b\c2\56\39\f1\11\f1\59\a4\82\3f\92\d5\5e\1c\ab"
    "\98\aa\07\d8\01\5b\83\12\be\85\31\24\c3\7d\0c\55"
    "\74\5d\be\72\fe\b1\de\80\a7\06\dc\9b\74\f1\9b\c1"
    "\c1\69\9b\e4\86\47\be\ef\c6\9d\c1\0f\cc\a1\0c\24"
    "\6f\2c\e9\2d\aa\84\74\4a\dc\a9\b0\5c\da\88\f9\76"
    "\52\51\3e\98\6d\c6\31\a8\c8\27\03\b0\c7\7f\59\bf"
    "\f3\0b\e0\c6\47\91\a7\d5\51\63\ca\06\67\29\29\14"
    "\85\0a\b7\27\38\21\1b\2e\fc\6d\2c\4d\13\0d\38\53"
    "\54\73\0a\65\bb\0a\6a\76\2e\c9\c2\81\85\2c\72\92"
    "\a1\e8\bf\a2\4b\66\1a\a8\70\8b\4b\c2\a3\51\6c\c7"
    "\19\e8\92\d1\24\06\99\d6\85\35\0e\f4\70\a0\6a\10"
    "\16\c1\a4\19\08\6c\37\1e\4c\77\48\27\b5\bc\b0\34"
    "\b3\0c\1c\39\4a\aa\d8\4e\4f\ca\9c\5b\f3\6f\2e\68"
    "\ee\82\8f\74\6f\63\a5\78\14\78\c8\84\08\02\c7\8c"
    "\fa\ff\be\90\eb\6c\50\a4\f7\a3\f9\be\f2\78\71\c6")

  ;; sha256(from, end, to), FIPS 180-4: hash of a message of whole blocks of 64 bytes, padded by the
  ;; caller, as 64 hex digits. The schedule is in locals: nothing of the message is left in memory.
  (func (export "sha256") (param $from i32) (param $end i32) (param $to i32)
    (local $h0 i32) (local $h1 i32) (local $h2 i32) (local $h3 i32)
    (local $h4 i32) (local $h5 i32) (local $h6 i32) (local $h7 i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local $e i32) (local $f i32) (local $g i32) (local $h i32)
    (local $w0 i32) (local $w1 i32) (local $w2 i32) (local $w3 i32)
    (local $w4 i32) (local $w5 i32) (local $w6 i32) (local $w7 i32)
    (local $w8 i32) (local $w9 i32) (local $w10 i32) (local $w11 i32)
    (local $w12 i32) (local $w13 i32) (local $w14 i32) (local $w15 i32)
    ;; Where the constants of the next 16 rounds are, less 0x80.
    (local $at i32) (local $sum i32) (local $x v128) (local $digits v128)
    (local.set $h0 (i32.const 0x6a09e667))
    (local.set $h1 (i32.const 0xbb67ae85))
    (local.set $h2 (i32.const 0x3c6ef372))
    (local.set $h3 (i32.const 0xa54ff53a))
    (local.set $h4 (i32.const 0x510e527f))
    (local.set $h5 (i32.const 0x9b05688c))
    (local.set $h6 (i32.const 0x1f83d9ab))
    (local.set $h7 (i32.const 0x5be0cd19))
    (loop $block
      (local.set $a (local.get $h0))
      (local.set $b (local.get $h1))
      (local.set $c (local.get $h2))
      (local.set $d (local.get $h3))
      (local.set $e (local.get $h4))
      (local.set $f (local.get $h5))
      (local.set $g (local.get $h6))
      (local.set $h (local.get $h7))
      ;; Words of a message are big-endian.
      (local.set $x (i8x16.shuffle 3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12
        (local.tee $x (v128.load (local.get $from))) (local.get $x)))
      (local.set $w0 (i32x4.extract_lane 0 (local.get $x)))
      (local.set $w1 (i32x4.extract_lane 1 (local.get $x)))
      (local.set $w2 (i32x4.extract_lane 2 (local.get $x)))
      (local.set $w3 (i32x4.extract_lane 3 (local.get $x)))
      (local.set $x (i8x16.shuffle 3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12
        (local.tee $x (v128.load offset=16 (local.get $from))) (local.get $x)))
      (local.set $w4 (i32x4.extract_lane 0 (local.get $x)))
      (local.set $w5 (i32x4.extract_lane 1 (local.get $x)))
      (local.set $w6 (i32x4.extract_lane 2 (local.get $x)))
      (local.set $w7 (i32x4.extract_lane 3 (local.get $x)))
      (local.set $x (i8x16.shuffle 3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12
        (local.tee $x (v128.load offset=32 (local.get $from))) (local.get $x)))
      (local.set $w8 (i32x4.extract_lane 0 (local.get $x)))
      (local.set $w9 (i32x4.extract_lane 1 (local.get $x)))
      (local.set $w10 (i32x4.extract_lane 2 (local.get $x)))
      (local.set $w11 (i32x4.extract_lane 3 (local.get $x)))
      (local.set $x (i8x16.shuffle 3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12
        (local.tee $x (v128.load offset=48 (local.get $from))) (local.get $x)))
      (local.set $w12 (i32x4.extract_lane 0 (local.get $x)))
      (local.set $w13 (i32x4.extract_lane 1 (local.get $x)))
      (local.set $w14 (i32x4.extract_lane 2 (local.get $x)))
      (local.set $w15 (i32x4.extract_lane 3 (local.get $x)))
      (local.set $at (i32.const 0))
      (loop $rounds
        ;; Instead of moving the working variables along, their names move.
        (local.set $sum (i32.add (i32.add (local.get $h) (i32.xor (i32.rotr (local.get $e) (i32.const 6))
            (i32.xor (i32.rotr (local.get $e) (i32.const 11)) (i32.rotr (local.get $e) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $g) (i32.and (local.get $e) (i32.xor (local.get $f) (local.get $g))))
            (i32.add (i32.load offset=0x80 (local.get $at)) (local.get $w0)))))
        (local.set $d (i32.add (local.get $d) (local.get $sum)))
        (local.set $h (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $a) (i32.const 2))
            (i32.xor (i32.rotr (local.get $a) (i32.const 13)) (i32.rotr (local.get $a) (i32.const 22))))
          (i32.or (i32.and (local.get $a) (local.get $b)) (i32.and (local.get $c) (i32.or (local.get $a) (local.get $b)))))))
        (local.set $sum (i32.add (i32.add (local.get $g) (i32.xor (i32.rotr (local.get $d) (i32.const 6))
            (i32.xor (i32.rotr (local.get $d) (i32.const 11)) (i32.rotr (local.get $d) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $f) (i32.and (local.get $d) (i32.xor (local.get $e) (local.get $f))))
            (i32.add (i32.load offset=0x84 (local.get $at)) (local.get $w1)))))
        (local.set $c (i32.add (local.get $c) (local.get $sum)))
        (local.set $g (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $h) (i32.const 2))
            (i32.xor (i32.rotr (local.get $h) (i32.const 13)) (i32.rotr (local.get $h) (i32.const 22))))
          (i32.or (i32.and (local.get $h) (local.get $a)) (i32.and (local.get $b) (i32.or (local.get $h) (local.get $a)))))))
        (local.set $sum (i32.add (i32.add (local.get $f) (i32.xor (i32.rotr (local.get $c) (i32.const 6))
            (i32.xor (i32.rotr (local.get $c) (i32.const 11)) (i32.rotr (local.get $c) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $e) (i32.and (local.get $c) (i32.xor (local.get $d) (local.get $e))))
            (i32.add (i32.load offset=0x88 (local.get $at)) (local.get $w2)))))
        (local.set $b (i32.add (local.get $b) (local.get $sum)))
        (local.set $f (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $g) (i32.const 2))
            (i32.xor (i32.rotr (local.get $g) (i32.const 13)) (i32.rotr (local.get $g) (i32.const 22))))
          (i32.or (i32.and (local.get $g) (local.get $h)) (i32.and (local.get $a) (i32.or (local.get $g) (local.get $h)))))))
        (local.set $sum (i32.add (i32.add (local.get $e) (i32.xor (i32.rotr (local.get $b) (i32.const 6))
            (i32.xor (i32.rotr (local.get $b) (i32.const 11)) (i32.rotr (local.get $b) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $d) (i32.and (local.get $b) (i32.xor (local.get $c) (local.get $d))))
            (i32.add (i32.load offset=0x8c (local.get $at)) (local.get $w3)))))
        (local.set $a (i32.add (local.get $a) (local.get $sum)))
        (local.set $e (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $f) (i32.const 2))
            (i32.xor (i32.rotr (local.get $f) (i32.const 13)) (i32.rotr (local.get $f) (i32.const 22))))
          (i32.or (i32.and (local.get $f) (local.get $g)) (i32.and (local.get $h) (i32.or (local.get $f) (local.get $g)))))))
        (local.set $sum (i32.add (i32.add (local.get $d) (i32.xor (i32.rotr (local.get $a) (i32.const 6))
            (i32.xor (i32.rotr (local.get $a) (i32.const 11)) (i32.rotr (local.get $a) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $c) (i32.and (local.get $a) (i32.xor (local.get $b) (local.get $c))))
            (i32.add (i32.load offset=0x90 (local.get $at)) (local.get $w4)))))
        (local.set $h (i32.add (local.get $h) (local.get $sum)))
        (local.set $d (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $e) (i32.const 2))
            (i32.xor (i32.rotr (local.get $e) (i32.const 13)) (i32.rotr (local.get $e) (i32.const 22))))
          (i32.or (i32.and (local.get $e) (local.get $f)) (i32.and (local.get $g) (i32.or (local.get $e) (local.get $f)))))))
        (local.set $sum (i32.add (i32.add (local.get $c) (i32.xor (i32.rotr (local.get $h) (i32.const 6))
            (i32.xor (i32.rotr (local.get $h) (i32.const 11)) (i32.rotr (local.get $h) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $b) (i32.and (local.get $h) (i32.xor (local.get $a) (local.get $b))))
            (i32.add (i32.load offset=0x94 (local.get $at)) (local.get $w5)))))
        (local.set $g (i32.add (local.get $g) (local.get $sum)))
        (local.set $c (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $d) (i32.const 2))
            (i32.xor (i32.rotr (local.get $d) (i32.const 13)) (i32.rotr (local.get $d) (i32.const 22))))
          (i32.or (i32.and (local.get $d) (local.get $e)) (i32.and (local.get $f) (i32.or (local.get $d) (local.get $e)))))))
        (local.set $sum (i32.add (i32.add (local.get $b) (i32.xor (i32.rotr (local.get $g) (i32.const 6))
            (i32.xor (i32.rotr (local.get $g) (i32.const 11)) (i32.rotr (local.get $g) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $a) (i32.and (local.get $g) (i32.xor (local.get $h) (local.get $a))))
            (i32.add (i32.load offset=0x98 (local.get $at)) (local.get $w6)))))
        (local.set $f (i32.add (local.get $f) (local.get $sum)))
        (local.set $b (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $c) (i32.const 2))
            (i32.xor (i32.rotr (local.get $c) (i32.const 13)) (i32.rotr (local.get $c) (i32.const 22))))
          (i32.or (i32.and (local.get $c) (local.get $d)) (i32.and (local.get $e) (i32.or (local.get $c) (local.get $d)))))))
        (local.set $sum (i32.add (i32.add (local.get $a) (i32.xor (i32.rotr (local.get $f) (i32.const 6))
            (i32.xor (i32.rotr (local.get $f) (i32.const 11)) (i32.rotr (local.get $f) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $h) (i32.and (local.get $f) (i32.xor (local.get $g) (local.get $h))))
            (i32.add (i32.load offset=0x9c (local.get $at)) (local.get $w7)))))
        (local.set $e (i32.add (local.get $e) (local.get $sum)))
        (local.set $a (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $b) (i32.const 2))
            (i32.xor (i32.rotr (local.get $b) (i32.const 13)) (i32.rotr (local.get $b) (i32.const 22))))
          (i32.or (i32.and (local.get $b) (local.get $c)) (i32.and (local.get $d) (i32.or (local.get $b) (local.get $c)))))))
        (local.set $sum (i32.add (i32.add (local.get $h) (i32.xor (i32.rotr (local.get $e) (i32.const 6))
            (i32.xor (i32.rotr (local.get $e) (i32.const 11)) (i32.rotr (local.get $e) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $g) (i32.and (local.get $e) (i32.xor (local.get $f) (local.get $g))))
            (i32.add (i32.load offset=0xa0 (local.get $at)) (local.get $w8)))))
        (local.set $d (i32.add (local.get $d) (local.get $sum)))
        (local.set $h (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $a) (i32.const 2))
            (i32.xor (i32.rotr (local.get $a) (i32.const 13)) (i32.rotr (local.get $a) (i32.const 22))))
          (i32.or (i32.and (local.get $a) (local.get $b)) (i32.and (local.get $c) (i32.or (local.get $a) (local.get $b)))))))
        (local.set $sum (i32.add (i32.add (local.get $g) (i32.xor (i32.rotr (local.get $d) (i32.const 6))
            (i32.xor (i32.rotr (local.get $d) (i32.const 11)) (i32.rotr (local.get $d) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $f) (i32.and (local.get $d) (i32.xor (local.get $e) (local.get $f))))
            (i32.add (i32.load offset=0xa4 (local.get $at)) (local.get $w9)))))
        (local.set $c (i32.add (local.get $c) (local.get $sum)))
        (local.set $g (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $h) (i32.const 2))
            (i32.xor (i32.rotr (local.get $h) (i32.const 13)) (i32.rotr (local.get $h) (i32.const 22))))
          (i32.or (i32.and (local.get $h) (local.get $a)) (i32.and (local.get $b) (i32.or (local.get $h) (local.get $a)))))))
        (local.set $sum (i32.add (i32.add (local.get $f) (i32.xor (i32.rotr (local.get $c) (i32.const 6))
            (i32.xor (i32.rotr (local.get $c) (i32.const 11)) (i32.rotr (local.get $c) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $e) (i32.and (local.get $c) (i32.xor (local.get $d) (local.get $e))))
            (i32.add (i32.load offset=0xa8 (local.get $at)) (local.get $w10)))))
        (local.set $b (i32.add (local.get $b) (local.get $sum)))
        (local.set $f (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $g) (i32.const 2))
            (i32.xor (i32.rotr (local.get $g) (i32.const 13)) (i32.rotr (local.get $g) (i32.const 22))))
          (i32.or (i32.and (local.get $g) (local.get $h)) (i32.and (local.get $a) (i32.or (local.get $g) (local.get $h)))))))
        (local.set $sum (i32.add (i32.add (local.get $e) (i32.xor (i32.rotr (local.get $b) (i32.const 6))
            (i32.xor (i32.rotr (local.get $b) (i32.const 11)) (i32.rotr (local.get $b) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $d) (i32.and (local.get $b) (i32.xor (local.get $c) (local.get $d))))
            (i32.add (i32.load offset=0xac (local.get $at)) (local.get $w11)))))
        (local.set $a (i32.add (local.get $a) (local.get $sum)))
        (local.set $e (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $f) (i32.const 2))
            (i32.xor (i32.rotr (local.get $f) (i32.const 13)) (i32.rotr (local.get $f) (i32.const 22))))
          (i32.or (i32.and (local.get $f) (local.get $g)) (i32.and (local.get $h) (i32.or (local.get $f) (local.get $g)))))))
        (local.set $sum (i32.add (i32.add (local.get $d) (i32.xor (i32.rotr (local.get $a) (i32.const 6))
            (i32.xor (i32.rotr (local.get $a) (i32.const 11)) (i32.rotr (local.get $a) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $c) (i32.and (local.get $a) (i32.xor (local.get $b) (local.get $c))))
            (i32.add (i32.load offset=0xb0 (local.get $at)) (local.get $w12)))))
        (local.set $h (i32.add (local.get $h) (local.get $sum)))
        (local.set $d (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $e) (i32.const 2))
            (i32.xor (i32.rotr (local.get $e) (i32.const 13)) (i32.rotr (local.get $e) (i32.const 22))))
          (i32.or (i32.and (local.get $e) (local.get $f)) (i32.and (local.get $g) (i32.or (local.get $e) (local.get $f)))))))
        (local.set $sum (i32.add (i32.add (local.get $c) (i32.xor (i32.rotr (local.get $h) (i32.const 6))
            (i32.xor (i32.rotr (local.get $h) (i32.const 11)) (i32.rotr (local.get $h) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $b) (i32.and (local.get $h) (i32.xor (local.get $a) (local.get $b))))
            (i32.add (i32.load offset=0xb4 (local.get $at)) (local.get $w13)))))
        (local.set $g (i32.add (local.get $g) (local.get $sum)))
        (local.set $c (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $d) (i32.const 2))
            (i32.xor (i32.rotr (local.get $d) (i32.const 13)) (i32.rotr (local.get $d) (i32.const 22))))
          (i32.or (i32.and (local.get $d) (local.get $e)) (i32.and (local.get $f) (i32.or (local.get $d) (local.get $e)))))))
        (local.set $sum (i32.add (i32.add (local.get $b) (i32.xor (i32.rotr (local.get $g) (i32.const 6))
            (i32.xor (i32.rotr (local.get $g) (i32.const 11)) (i32.rotr (local.get $g) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $a) (i32.and (local.get $g) (i32.xor (local.get $h) (local.get $a))))
            (i32.add (i32.load offset=0xb8 (local.get $at)) (local.get $w14)))))
        (local.set $f (i32.add (local.get $f) (local.get $sum)))
        (local.set $b (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $c) (i32.const 2))
            (i32.xor (i32.rotr (local.get $c) (i32.const 13)) (i32.rotr (local.get $c) (i32.const 22))))
          (i32.or (i32.and (local.get $c) (local.get $d)) (i32.and (local.get $e) (i32.or (local.get $c) (local.get $d)))))))
        (local.set $sum (i32.add (i32.add (local.get $a) (i32.xor (i32.rotr (local.get $f) (i32.const 6))
            (i32.xor (i32.rotr (local.get $f) (i32.const 11)) (i32.rotr (local.get $f) (i32.const 25)))))
          (i32.add
            (i32.xor (local.get $h) (i32.and (local.get $f) (i32.xor (local.get $g) (local.get $h))))
            (i32.add (i32.load offset=0xbc (local.get $at)) (local.get $w15)))))
        (local.set $e (i32.add (local.get $e) (local.get $sum)))
        (local.set $a (i32.add (local.get $sum) (i32.add
          (i32.xor (i32.rotr (local.get $b) (i32.const 2))
            (i32.xor (i32.rotr (local.get $b) (i32.const 13)) (i32.rotr (local.get $b) (i32.const 22))))
          (i32.or (i32.and (local.get $b) (local.get $c)) (i32.and (local.get $d) (i32.or (local.get $b) (local.get $c)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (if (i32.lt_u (local.get $at) (i32.const 256)) (then
          ;; The next 16 words of the schedule, each from those 16, 15, 7 and 2 before it.
          (local.set $w0 (i32.add (i32.add (local.get $w0) (local.get $w9)) (i32.add
            (i32.xor (i32.rotr (local.get $w1) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w1) (i32.const 18)) (i32.shr_u (local.get $w1) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w14) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w14) (i32.const 19)) (i32.shr_u (local.get $w14) (i32.const 10)))))))
          (local.set $w1 (i32.add (i32.add (local.get $w1) (local.get $w10)) (i32.add
            (i32.xor (i32.rotr (local.get $w2) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w2) (i32.const 18)) (i32.shr_u (local.get $w2) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w15) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w15) (i32.const 19)) (i32.shr_u (local.get $w15) (i32.const 10)))))))
          (local.set $w2 (i32.add (i32.add (local.get $w2) (local.get $w11)) (i32.add
            (i32.xor (i32.rotr (local.get $w3) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w3) (i32.const 18)) (i32.shr_u (local.get $w3) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w0) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w0) (i32.const 19)) (i32.shr_u (local.get $w0) (i32.const 10)))))))
          (local.set $w3 (i32.add (i32.add (local.get $w3) (local.get $w12)) (i32.add
            (i32.xor (i32.rotr (local.get $w4) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w4) (i32.const 18)) (i32.shr_u (local.get $w4) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w1) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w1) (i32.const 19)) (i32.shr_u (local.get $w1) (i32.const 10)))))))
          (local.set $w4 (i32.add (i32.add (local.get $w4) (local.get $w13)) (i32.add
            (i32.xor (i32.rotr (local.get $w5) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w5) (i32.const 18)) (i32.shr_u (local.get $w5) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w2) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w2) (i32.const 19)) (i32.shr_u (local.get $w2) (i32.const 10)))))))
          (local.set $w5 (i32.add (i32.add (local.get $w5) (local.get $w14)) (i32.add
            (i32.xor (i32.rotr (local.get $w6) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w6) (i32.const 18)) (i32.shr_u (local.get $w6) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w3) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w3) (i32.const 19)) (i32.shr_u (local.get $w3) (i32.const 10)))))))
          (local.set $w6 (i32.add (i32.add (local.get $w6) (local.get $w15)) (i32.add
            (i32.xor (i32.rotr (local.get $w7) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w7) (i32.const 18)) (i32.shr_u (local.get $w7) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w4) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w4) (i32.const 19)) (i32.shr_u (local.get $w4) (i32.const 10)))))))
          (local.set $w7 (i32.add (i32.add (local.get $w7) (local.get $w0)) (i32.add
            (i32.xor (i32.rotr (local.get $w8) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w8) (i32.const 18)) (i32.shr_u (local.get $w8) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w5) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w5) (i32.const 19)) (i32.shr_u (local.get $w5) (i32.const 10)))))))
          (local.set $w8 (i32.add (i32.add (local.get $w8) (local.get $w1)) (i32.add
            (i32.xor (i32.rotr (local.get $w9) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w9) (i32.const 18)) (i32.shr_u (local.get $w9) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w6) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w6) (i32.const 19)) (i32.shr_u (local.get $w6) (i32.const 10)))))))
          (local.set $w9 (i32.add (i32.add (local.get $w9) (local.get $w2)) (i32.add
            (i32.xor (i32.rotr (local.get $w10) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w10) (i32.const 18)) (i32.shr_u (local.get $w10) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w7) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w7) (i32.const 19)) (i32.shr_u (local.get $w7) (i32.const 10)))))))
          (local.set $w10 (i32.add (i32.add (local.get $w10) (local.get $w3)) (i32.add
            (i32.xor (i32.rotr (local.get $w11) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w11) (i32.const 18)) (i32.shr_u (local.get $w11) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w8) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w8) (i32.const 19)) (i32.shr_u (local.get $w8) (i32.const 10)))))))
          (local.set $w11 (i32.add (i32.add (local.get $w11) (local.get $w4)) (i32.add
            (i32.xor (i32.rotr (local.get $w12) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w12) (i32.const 18)) (i32.shr_u (local.get $w12) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w9) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w9) (i32.const 19)) (i32.shr_u (local.get $w9) (i32.const 10)))))))
          (local.set $w12 (i32.add (i32.add (local.get $w12) (local.get $w5)) (i32.add
            (i32.xor (i32.rotr (local.get $w13) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w13) (i32.const 18)) (i32.shr_u (local.get $w13) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w10) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w10) (i32.const 19)) (i32.shr_u (local.get $w10) (i32.const 10)))))))
          (local.set $w13 (i32.add (i32.add (local.get $w13) (local.get $w6)) (i32.add
            (i32.xor (i32.rotr (local.get $w14) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w14) (i32.const 18)) (i32.shr_u (local.get $w14) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w11) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w11) (i32.const 19)) (i32.shr_u (local.get $w11) (i32.const 10)))))))
          (local.set $w14 (i32.add (i32.add (local.get $w14) (local.get $w7)) (i32.add
            (i32.xor (i32.rotr (local.get $w15) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w15) (i32.const 18)) (i32.shr_u (local.get $w15) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w12) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w12) (i32.const 19)) (i32.shr_u (local.get $w12) (i32.const 10)))))))
          (local.set $w15 (i32.add (i32.add (local.get $w15) (local.get $w8)) (i32.add
            (i32.xor (i32.rotr (local.get $w0) (i32.const 7))
              (i32.xor (i32.rotr (local.get $w0) (i32.const 18)) (i32.shr_u (local.get $w0) (i32.const 3))))
            (i32.xor (i32.rotr (local.get $w13) (i32.const 17))
              (i32.xor (i32.rotr (local.get $w13) (i32.const 19)) (i32.shr_u (local.get $w13) (i32.const 10)))))))
          (br $rounds))))
      (local.set $h0 (i32.add (local.get $h0) (local.get $a)))
      (local.set $h1 (i32.add (local.get $h1) (local.get $b)))
      (local.set $h2 (i32.add (local.get $h2) (local.get $c)))
      (local.set $h3 (i32.add (local.get $h3) (local.get $d)))
      (local.set $h4 (i32.add (local.get $h4) (local.get $e)))
      (local.set $h5 (i32.add (local.get $h5) (local.get $f)))
      (local.set $h6 (i32.add (local.get $h6) (local.get $g)))
      (local.set $h7 (i32.add (local.get $h7) (local.get $h)))
      (local.set $from (i32.add (local.get $from) (i32.const 64)))
      (br_if $block (i32.lt_u (local.get $from) (local.get $end))))
    ;; 32 bytes in the first half of the digits' place, then 16 bytes become 32 digits, the last first.
    (i32.store (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h0) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h0) (i32.const 24)) (i32.const 0x00ff00ff))))
    (i32.store offset=4 (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h1) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h1) (i32.const 24)) (i32.const 0x00ff00ff))))
    (i32.store offset=8 (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h2) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h2) (i32.const 24)) (i32.const 0x00ff00ff))))
    (i32.store offset=12 (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h3) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h3) (i32.const 24)) (i32.const 0x00ff00ff))))
    (i32.store offset=16 (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h4) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h4) (i32.const 24)) (i32.const 0x00ff00ff))))
    (i32.store offset=20 (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h5) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h5) (i32.const 24)) (i32.const 0x00ff00ff))))
    (i32.store offset=24 (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h6) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h6) (i32.const 24)) (i32.const 0x00ff00ff))))
    (i32.store offset=28 (local.get $to) (i32.or
        (i32.and (i32.rotr (local.get $h7) (i32.const 8)) (i32.const 0xff00ff00))
        (i32.and (i32.rotr (local.get $h7) (i32.const 24)) (i32.const 0x00ff00ff))))
    (local.set $x (v128.load offset=16 (local.get $to)))
    (local.set $digits (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31
      (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (i8x16.splat (i32.const 15)))
      (v128.and (local.get $x) (i8x16.splat (i32.const 15)))))
    ;; From "0" to "9", and from "a", which is 39 further on.
    (v128.store offset=48 (local.get $to) (i8x16.add
      (i8x16.add (local.get $digits) (i8x16.splat (i32.const 48)))
      (v128.and (i8x16.gt_u (local.get $digits) (i8x16.splat (i32.const 9))) (i8x16.splat (i32.const 39)))))
    (local.set $digits (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23
      (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (i8x16.splat (i32.const 15)))
      (v128.and (local.get $x) (i8x16.splat (i32.const 15)))))
    ;; From "0" to "9", and from "a", which is 39 further on.
    (v128.store offset=32 (local.get $to) (i8x16.add
      (i8x16.add (local.get $digits) (i8x16.splat (i32.const 48)))
      (v128.and (i8x16.gt_u (local.get $digits) (i8x16.splat (i32.const 9))) (i8x16.splat (i32.const 39)))))
    (local.set $x (v128.load (local.get $to)))
    (local.set $digits (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31
      (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (i8x16.splat (i32.const 15)))
      (v128.and (local.get $x) (i8x16.splat (i32.const 15)))))
    ;; From "0" to "9", and from "a", which is 39 further on.
    (v128.store offset=16 (local.get $to) (i8x16.add
      (i8x16.add (local.get $digits) (i8x16.splat (i32.const 48)))
      (v128.and (i8x16.gt_u (local.get $digits) (i8x16.splat (i32.const 9))) (i8x16.splat (i32.const 39)))))
    (local.set $digits (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23
      (v128.and (i16x8.shr_u (local.get $x) (i32.const 4)) (i8x16.splat (i32.const 15)))
      (v128.and (local.get $x) (i8x16.splat (i32.const 15)))))
    ;; From "0" to "9", and from "a", which is 39 further on.
    (v128.store (local.get $to) (i8x16.add
      (i8x16.add (local.get $digits) (i8x16.splat (i32.const 48)))
      (v128.and (i8x16.gt_u (local.get $digits) (i8x16.splat (i32.const 9))) (i8x16.splat (i32.const 39)))))))
