# SPDX-License-Identifier: BSD-2-Clause
#
# The front door. Each target installs what it needs (scripts/setup), builds, and does its work.

all: build

build:
	@scripts/setup build
	@scripts/build

demo:
	@scripts/setup build demo
	@TARGETS="softsgx softsgx-rt" scripts/build
	@scripts/demo

check:
	@scripts/setup build demo check
	@scripts/check

asan:
	@scripts/setup build
	@scripts/check-asan

bench: build
	@scripts/bench

fuzz:
	@scripts/setup build fuzz
	@scripts/fuzz

check-contract:
	@scripts/check-contract

check-designs: build
	@scripts/check-designs

check-exits: build
	@DURATION=$(or $(SECONDS),600) SEED=$(or $(SEED),1) scripts/check-exits

check-go: build
	@scripts/setup check
	@DURATION=$(or $(SECONDS),3) scripts/check-go

stress: build
	@DURATION=$(or $(SECONDS),600) SEED=$(or $(SEED),1) scripts/check-exits --record

# Every way of interrupting enclaves, on all kernels' selftests, with several seeds.
check-aex-all: build
	@scripts/setup build demo
	@scripts/check-aex --all

format:
	git clang-format --force HEAD

clean:
	rm -rf build build-*

.PHONY: all build demo check asan bench fuzz check-contract check-designs check-exits check-go check-aex-all stress format \
	clean
