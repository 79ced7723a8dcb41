# U-Boot's part: which slot is started, and how often it may still be. RAUC's own variables, in a partition with two
# copies, each with a checksum: the one that is older is written, so that one is whole at any moment. A copy is as
# libubootenv has it: CRC-32, a number that counts, and from the sixth byte on what `env import` reads. That command
# has no number, so the number is left out for it.
setenv bootargs
setenv one 40100000
setenv two 40110000
setenv plain 40120000
part start virtio 0 uboot-env one_at
setexpr two_at ${one_at} + 20
virtio read ${one} ${one_at} 20
virtio read ${two} ${two_at} 20
setexpr.b one_n *40100004
setexpr.b two_n *40110004

# Of the two the newer one: the number begins again at 0 after ff.
setenv newer one
if itest ${two_n} > ${one_n}; then setenv newer two; fi
if itest ${one_n} == ff && itest ${two_n} == 0; then setenv newer two; fi
if itest ${two_n} == ff && itest ${one_n} == 0; then setenv newer one; fi

setenv take_one 'cp.b 40100000 40120000 4; cp.b 40100005 40120004 3ffb; env import -c 40120000 3fff BOOT_ORDER BOOT_a_LEFT BOOT_b_LEFT'
setenv take_two 'cp.b 40110000 40120000 4; cp.b 40110005 40120004 3ffb; env import -c 40120000 3fff BOOT_ORDER BOOT_a_LEFT BOOT_b_LEFT'
setenv BOOT_ORDER
setenv taken ${newer}
if test ${newer} = one; then
  run take_one || setenv taken two
  if test ${taken} = two; then run take_two || setenv taken none; fi
else
  run take_two || setenv taken one
  if test ${taken} = one; then run take_one || setenv taken none; fi
fi
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "a b"
test -n "${BOOT_a_LEFT}" || setenv BOOT_a_LEFT 3
test -n "${BOOT_b_LEFT}" || setenv BOOT_b_LEFT 3

# The first in the order that has a try left; with none in either, all again.
setenv choose 'setenv slot; for s in ${BOOT_ORDER}; do if test -z "${slot}"; then if test $s = a && itest ${BOOT_a_LEFT} > 0; then setenv slot a; setexpr BOOT_a_LEFT ${BOOT_a_LEFT} - 1; fi; if test $s = b && itest ${BOOT_b_LEFT} > 0; then setenv slot b; setexpr BOOT_b_LEFT ${BOOT_b_LEFT} - 1; fi; fi; done'
run choose
if test -z "${slot}"; then
  setenv BOOT_a_LEFT 3
  setenv BOOT_b_LEFT 3
  run choose
fi

# Counted before it is started: the copy that was not taken is written.
env export -c -s 3fff 40120000 BOOT_ORDER BOOT_a_LEFT BOOT_b_LEFT
if test ${taken} = one; then
  setexpr n ${one_n} + 1
  setenv to ${two_at}
else
  setexpr n ${two_n} + 1
  setenv to ${one_at}
fi
if test ${taken} = none; then setenv n 1; fi
cp.b 40120000 40100000 4
setexpr n ${n} "&" ff
mw.b 40100004 ${n} 1
cp.b 40120004 40100005 3ffb
virtio write 40100000 ${to} 20

# The kernel of the slot, with initramfs and command line in one signed file (FIT). The first block of its partition
# tells in its last word how many sectors it has.
part start virtio 0 kernel-${slot} from
virtio read 40100000 ${from} 8
setexpr.l sectors *40100ffc
setexpr from ${from} + 8
setenv fit 48000000
if virtio read ${fit} ${from} ${sectors}; then
  fdt addr ${fit}
  fdt get value bootargs /configurations/slot bootargs
  setenv bootargs "${bootargs} qkd.slot=${slot}"
  setenv fdt_high
  bootm ${fit}#slot ${fit}#slot ${fdtcontroladdr}
fi
echo "qkd: slot ${slot} cannot be started"
sleep 3
reset
