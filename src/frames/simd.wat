;; The two hot loops of the decoder, 16 bytes at a time. Its bytes stand in simd-module.ts; a test compiles this and
;; compares. Page 0 is for answers; 64 KiB of input begin at 65536, of output at
;; 196608, each with room for a step beyond.
(module
  (memory (export "memory") 5)

  ;; Unmasks `length` bytes at `at` where they are (RFC 6455 section 5.3); up to 31 bytes behind them are changed as well.
  (func (export "unmask") (param $at i32) (param $length i32) (param $key i32)
    (local $end i32)
    (local $keys v128)
    (local.set $keys (i32x4.splat (local.get $key)))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store (local.get $at) (v128.xor (v128.load (local.get $at)) (local.get $keys)))
        (v128.store offset=16 (local.get $at) (v128.xor (v128.load offset=16 (local.get $at)) (local.get $keys)))
        (local.set $at (i32.add (local.get $at) (i32.const 32)))
        (br $next))))

  ;; Joins at `out` the payloads of whole, masked, final binary frames below 64 KiB that lie between `at` and `end`. Ends
  ;; at the first frame that is anything else, or not in its shortest form. Gives where it stopped; where the output
  ;; ends is left at address 0.
  (func (export "frames") (param $at i32) (param $end i32) (param $out i32) (result i32)
    (local $length i32)
    (local $from i32)
    (local $next i32)
    (local $to i32)
    (local $keys v128)
    (block $done
      (loop $frame
        ;; A header of the shorter form must be whole.
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 6)) (local.get $end)))
        (br_if $done (i32.ne (i32.load8_u (local.get $at)) (i32.const 0x82)))
        (local.set $length (i32.sub (i32.load8_u offset=1 (local.get $at)) (i32.const 0x80)))
        ;; Unsigned: one without a mask is far above.
        (br_if $done (i32.gt_u (local.get $length) (i32.const 126)))
        (local.set $from (i32.add (local.get $at) (i32.const 6)))
        (if (i32.eq (local.get $length) (i32.const 126))
          (then
            (local.set $from (i32.add (local.get $at) (i32.const 8)))
            (br_if $done (i32.gt_u (local.get $from) (local.get $end)))
            (local.set $length
              (i32.or
                (i32.shl (i32.load8_u offset=2 (local.get $at)) (i32.const 8))
                (i32.load8_u offset=3 (local.get $at))))
            (br_if $done (i32.lt_u (local.get $length) (i32.const 126)))))
        (local.set $next (i32.add (local.get $from) (local.get $length)))
        (br_if $done (i32.gt_u (local.get $next) (local.get $end)))
        (local.set $keys (v128.load32_splat (i32.sub (local.get $from) (i32.const 4))))
        (local.set $to (local.get $out))
        (loop $step
          (v128.store (local.get $to) (v128.xor (v128.load (local.get $from)) (local.get $keys)))
          (local.set $to (i32.add (local.get $to) (i32.const 16)))
          (local.set $from (i32.add (local.get $from) (i32.const 16)))
          (br_if $step (i32.lt_u (local.get $from) (local.get $next))))
        (local.set $out (i32.add (local.get $out) (local.get $length)))
        (local.set $at (local.get $next))
        (br $frame)))
    (i32.store (i32.const 0) (local.get $out))
    (local.get $at)))
