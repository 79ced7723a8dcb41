#!/bin/sh
# Runs the program of this file's name from the production build, whatever the current folder is and
# through however many symbolic links it is called.
set -eu

# Without a program that a slow board has to load: dirname would be one.
case $0 in
  */*) self=$0 ;;
  *) self=./$0 ;;
esac
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=${self%/*}/$target ;;
  esac
done
root=$(CDPATH='' cd -P -- "${self%/*}/.." && pwd)

# The runtime that was put beside this build, or the machine's own.
runtime=$root/runtime/node
[ -x "$runtime" ] || runtime=node

# Compiled code of an earlier start: from systemd's CacheDirectory=, or shipped with the build.
cache=${CACHE_DIRECTORY:-$root/cache}
if [ -d "$cache" ]; then
  export NODE_COMPILE_CACHE="$cache" NODE_COMPILE_CACHE_PORTABLE=1
fi

# Memory: one arena for all threads, which allocate little, and a small nursery, since what a key needs
# is soon done with.
export MALLOC_ARENA_MAX=1
# What a burst took of the memory of key manager and controller goes back to the machine: with 1,000 applications 27 MB
# of 250, and after 1,000 key managers have come.
case ${self##*/} in
  qkd-km | qkd-controller) export MALLOC_TRIM_THRESHOLD_=131072 ;;
esac
# With that, malloc has each piece of 128 KiB and more from the kernel anew, page by page filled with zeros: of a key manager
# that relays in pieces of 1 MiB that was half of the processor time.
case ${self##*/} in
  qkd-km) export MALLOC_MMAP_THRESHOLD_=4194304 ;;
esac

# V8 lets a heap grow the further beyond what lives in it the larger it may become: with 1,000 key managers a controller
# that may have 512 MB takes 220 MB of the machine, and 300 without a limit.
# A key manager has some tens of MB of keys and messages on their way outside of its heap of 15, which V8 counts with it:
# if it collects at half as much again, as it would, that is a third of the time of a relay.
case ${self##*/} in
  qkd-controller) heap=--max-old-space-size=512 ;;
  qkd-km) heap=--heap-growing-percent=300 ;;
  *) heap= ;;
esac

# --disable-sigusr1: no debugger may be opened on a process that holds keys.
# DEP0169: the library for MQTT takes addresses apart the old way, of which no operator needs to hear.
exec "$runtime" --disable-sigusr1 --disable-warning=DEP0169 --max-semi-space-size=4 $heap "$root/lib/${self##*/}.cjs" "$@"
