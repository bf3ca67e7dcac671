#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# nosgx.sh SOFTSGX PROGRAM - what CPUID says outside softsgx is what it has to say under --nosgx, in every CPUID mode.
set -e
softsgx=$1 program=$2
NATIVE_CPUID=$(unset NATIVE_CPUID; "$program")
export NATIVE_CPUID
"$softsgx" run --nosgx -- "$program"
"$softsgx" run --nosgx --cpuid=patch --patch=force -- "$program"
"$softsgx" run --nosgx -- env "$program"	# a program's program has no more
