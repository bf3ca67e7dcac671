// SPDX-License-Identifier: BSD-2-Clause

// A Go program whose goroutines call an enclave by cgo, while others compute without a call, so that only SIGURG preempts
// them, recover from nil pointers, and keep the garbage collector busy; C threads are in the enclave all the time. What
// every goroutine and the enclave itself have counted has to agree.
//
//	exits DESIGN SECONDS
package main

/*
#cgo CFLAGS: -O2
#include "exits/lib.h"
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	callers = 4
	busy    = 2
	factor  = 0x5851f42d4c957f2d
)

var stop, wrong int32
var calls, recovered, collections, rounds int64

func chain(seed, n uint64) uint64 {
	for ; n > 0; n-- {
		seed = seed*factor + 12345
	}
	return seed
}

func fail(what string, a ...interface{}) {
	fmt.Fprintf(os.Stderr, what+"\n", a...)
	atomic.AddInt32(&wrong, 1)
}

func caller(slot int) {
	var exceptions uint64
	for i := uint64(0); atomic.LoadInt32(&stop) == 0; i++ {
		n := 100 + i%5000
		if got := uint64(C.lib_sum(C.uint(slot), C.uint64_t(i), C.uint64_t(n))); got != chain(i, n) {
			fail("slot %d, call %d: %x", slot, i, got)
		}
		if i%4 == 0 {
			if C.lib_exception(C.uint(slot)) != 1 {
				fail("slot %d: the exception of call %d", slot, i)
			}
			exceptions++
		}
		atomic.AddInt64(&calls, 1)
		if i%64 == 0 {
			runtime.Gosched()
		}
	}
	if got := uint64(C.lib_count(C.uint(slot))); got != exceptions {
		fail("slot %d: %d exceptions, the enclave counted %d", slot, exceptions, got)
	}
}

// No call, no allocation: to be preempted, a signal has to come.
func tight(want uint64) {
	for atomic.LoadInt32(&stop) == 0 {
		if got := chain(1, 3000000); got != want {
			fail("a loop's result is %x", got)
		}
		atomic.AddInt64(&rounds, 1)
	}
}

type node struct {
	next *node
	data [100]byte
}

func nilPointer(n *node) (err interface{}) {
	defer func() { err = recover() }()
	return n.data[5]
}

func garbage() {
	for atomic.LoadInt32(&stop) == 0 {
		var list *node
		for i := 0; i < 2000; i++ {
			list = &node{next: list}
			list.data[i%100] = byte(i)
		}
		if nilPointer(nil) == nil {
			fail("a nil pointer was read")
		}
		atomic.AddInt64(&recovered, 1)
		if atomic.AddInt64(&collections, 1)%50 == 0 {
			runtime.GC()
		}
	}
}

func main() {
	seconds, _ := strconv.Atoi(os.Args[2])
	design := C.CString(os.Args[1])
	defer C.free(unsafe.Pointer(design))
	if C.lib_start(design, callers+busy) != 0 {
		fmt.Println("no enclave")
		os.Exit(1)
	}
	runtime.GOMAXPROCS(4)
	want := chain(1, 3000000)
	C.lib_busy_start(callers, busy)
	var wg sync.WaitGroup
	start := func(f func()) {
		wg.Add(1)
		go func() { defer wg.Done(); f() }()
	}
	for i := 0; i < callers; i++ {
		slot := i
		start(func() { caller(slot) })
	}
	start(func() { tight(want) })
	start(func() { tight(want) })
	start(garbage)
	time.Sleep(time.Duration(seconds) * time.Second)
	atomic.StoreInt32(&stop, 1)
	wg.Wait()
	inside := uint64(C.lib_busy_stop())
	if inside == 0 {
		fail("the C threads' calls went wrong")
	}
	fmt.Printf("%d calls by cgo, %d by C threads, %d nil pointers, %d loops, %d wrong\n", calls, inside, recovered, rounds,
		wrong)
	if wrong != 0 || calls == 0 || rounds == 0 || recovered == 0 {
		os.Exit(1)
	}
}
