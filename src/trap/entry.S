/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry and exit without a trap. Both run in the program's context with its signals unblocked, so a signal may land
 * between any two instructions; engine_window() then completes or undoes the transition. What it needs to know is
 * where each stage begins (the labels), and that every stage keeps these invariants:
 *
 *   [window_begin, enter_common)		RAX, RCX are as they came (enter_fast: RCX is the AEP or behind the ENCLU)
 *   [enter_common, enter_spilled)		nothing changed but RAX, RCX and flags: back to the ENCLU
 *   [enter_spilled, enter_taken_test)		RDX, RDI are in the TCB: restore them, back to the ENCLU
 *   [enter_taken_test, enter_committed)	the TCS may be ours: give it back, back to the ENCLU
 *   [enter_committed, enter_end)		the TCS is ours, RSP and RBP untouched: forward into the enclave
 *   [enter_stale, enter_taken)			as before enter_committed
 *   [enter_taken, call_busy)			the model has not been asked: back to the ENCLU
 *   [exit_checked, exit_released)		forward: restore FS, GS, release the TCS
 *   [exit_released, window_end)		forward: only RAX, RCX and RIP are left
 */
#include "trap/entry_offsets.h"

#define PLAIN_FLAGS	0x202		/* DF, AC, TF clear: what the runtime's C code is run with */

	.text

/*
 * enter_fast: from the vDSO's gate instead of its ENCLU. EAX = leaf, RBX = TCS, RCX = AEP.
 * enter_raw: from the trampoline of an EENTER of the program's own: RBX = TCS, RAX = AEP, RCX = the address behind the
 * ENCLU. Both leave by jumping into the enclave with RAX = 0 (the cache serves CSSA 0 only) and RCX = the address behind
 * the ENCLU; or, if the model has to be asked, to enter_call (the vDSO's) or an INT3 that brings the engine.
 * Three words below the red zone are scratch: W_RETURN the address behind the ENCLU, W_AEP the AEP, W_ENTRY the target.
 */
	.globl	enter_fast, window_begin, enter_common, enter_spilled, enter_taken_test, enter_committed, enter_end
	.globl	enter_raw, enter_raw_trap
	.type	enter_fast, @function
	.balign	64
window_begin:
enter_raw:
	mov	%rcx, W_RETURN(%rsp)
	mov	%rax, W_AEP(%rsp)
	cmp	aep_max(%rip), %rax	/* EENTER-10: a program may give any AEP */
	ja	enter_none
	jmp	enter_common
	.balign	64
enter_fast:
	cmp	$2, %eax
	jne	enter_call
	mov	%rcx, W_AEP(%rsp)
	lea	3(%rcx), %rcx
	mov	%rcx, W_RETURN(%rsp)
enter_common:
	mov	%ds, %eax
	mov	%eax, %ecx
	and	$7, %ecx
	cmp	$7, %ecx
	jne	enter_none
	lea	thread_table(%rip), %rcx
	mov	-7(%rcx,%rax), %rax
	test	%rax, %rax
	jz	enter_none
	cmp	%rbx, T_CACHE_TCS_LA(%rax)
	jne	enter_none
	mov	T_CACHE_GENERATION(%rax), %rcx
	mov	(%rcx), %rcx
	cmp	T_CACHE_SEEN(%rax), %rcx
	jne	enter_none
	mov	T_TCS(%rax), %rcx
	cmpl	$0, TCS_CSSA(%rcx)
	jne	enter_none
	cmpb	$0, T_CACHE_DEBUG(%rax)
	je	1f
	mov	TCS_FLAGS(%rcx), %rcx
	cmp	%rcx, TCS_FLAGS(%rbx)	/* a fault undoes the entry, and the model is asked */
	jne	enter_none
1:
	mov	T_CACHE_ENTRY(%rax), %rcx
	mov	%rcx, W_ENTRY(%rsp)
	mov	%rdx, T_SPILL_RDX(%rax)
	mov	%rdi, T_SPILL_RDI(%rax)
enter_spilled:
	mov	T_CACHE_EPOCH(%rax), %rdi
	mov	(%rdi), %edi
	shl	$32, %rdi
	or	T_TID(%rax), %rdi
	mov	T_TCS_WORD(%rax), %rdx
	mov	%rax, %rcx
	xor	%eax, %eax
	lock cmpxchg %rdi, (%rdx)
enter_taken_test:
	jne	enter_taken
	mov	T_CACHE_GENERATION(%rcx), %rax
	mov	(%rax), %rax		/* again: who takes pages away looks for owners of TCSs after he has said so */
	cmp	T_CACHE_SEEN(%rcx), %rax
	jne	enter_stale
enter_committed:
	mov	W_AEP(%rsp), %rdi
	mov	%rdi, T_AEP(%rcx)
	mov	T_TCS(%rcx), %rdx
	mov	%rdi, TCS_AEP(%rdx)
	movq	$1, TCS_STATE(%rdx)
	mov	T_CACHE_GPR(%rcx), %rdx
	mov	%rsp, GPR_URSP(%rdx)
	mov	%rbp, GPR_URBP(%rdx)
	rdfsbase %rdx
	mov	%rdx, T_HOST_FSBASE(%rcx)
	rdgsbase %rdx
	mov	%rdx, T_HOST_GSBASE(%rcx)
	mov	T_STATS(%rcx), %rdx
	incq	(%rdx)			/* struct thread_stats, eenter */
	movb	$1, T_SUD(%rcx)
	movq	$1, T_IN_ENCLAVE(%rcx)
	mov	T_CACHE_FSBASE(%rcx), %rdx
	wrfsbase %rdx
	mov	T_CACHE_GSBASE(%rcx), %rdx
	wrgsbase %rdx
	mov	T_SPILL_RDX(%rcx), %rdx
	mov	T_SPILL_RDI(%rcx), %rdi
	mov	W_RETURN(%rsp), %rcx
	xor	%eax, %eax
	jmp	*W_ENTRY(%rsp)
enter_end:

	.globl	enter_stale, enter_taken
enter_stale:				/* what the cache says has changed just now: give the TCS back, if it is still that */
	mov	%rdi, %rax
	xor	%edi, %edi
	lock cmpxchg %rdi, (%rdx)
enter_taken:				/* another thread is inside, or died there: the model decides */
	mov	T_SPILL_RDX(%rcx), %rdx
	mov	T_SPILL_RDI(%rcx), %rdi
enter_none:
	mov	$2, %eax
	mov	engine_vdso_enclu(%rip), %rcx
	cmp	%rcx, W_AEP(%rsp)
	je	enter_call
enter_raw_trap:
	int3
	ud2				/* what follows is not where the INT3 leaves RIP */

/*
 * enter_call: an ENCLU of the vDSO that the fast path does not serve; RAX, RBX as at the ENCLU. Instead of trapping, it
 * builds the signal frame that a trap would have made, and the engine works on that. All signals are blocked first;
 * until call_busy a signal undoes everything, from what is in the TCB. Without a slot, or as long as no signal has
 * shown what the kernel puts into a frame, the INT3 at enter_trap lets the kernel build it.
 */
	.globl	enter_none, enter_call, call_rdx_saved, call_rdx_back, call_flags, call_spilled, call_blocked, call_busy
enter_call:
	mov	%rdx, -16(%rsp)
call_rdx_saved:
	mov	%ds, %edx
	lea	thread_table(%rip), %rcx
	mov	-7(%rcx,%rdx), %rcx
	and	$7, %edx
	cmp	$7, %edx
	mov	-16(%rsp), %rdx
call_rdx_back:
	jne	enter_trap
	test	%rcx, %rcx
	jz	enter_trap
	cmpl	$0, T_FP_SW(%rcx)
	je	enter_trap
	mov	%rax, T_CALL_RAX(%rcx)
	mov	%rdx, T_CALL_RDX(%rcx)
	mov	%rsi, T_CALL_RSI(%rcx)
	mov	%rdi, T_CALL_RDI(%rcx)
	mov	%r8, T_CALL_R8(%rcx)
	mov	%r10, T_CALL_R10(%rcx)
	mov	%r11, T_CALL_R11(%rcx)
	mov	%rsp, T_CALL_RSP(%rcx)
	pushfq
call_flags:
	popq	T_CALL_RFLAGS(%rcx)
call_spilled:
	mov	%rcx, %r8
	mov	$14, %eax			/* rt_sigprocmask(SIG_SETMASK, all that can wait, old, 8) */
	mov	$2, %edi
	lea	call_mask(%rip), %rsi
	lea	T_CALL_MASK(%r8), %rdx
	mov	$8, %r10d
	syscall
call_blocked:
	lea	CALL_FRAME(%r8), %rsp
call_busy:
	push	$PLAIN_FLAGS
	popfq
	mov	T_CALL_R8(%r8), %rax
	mov	%rax, UC_MC+0(%rsp)
	mov	%r9, UC_MC+8(%rsp)
	mov	T_CALL_R10(%r8), %rax
	mov	%rax, UC_MC+16(%rsp)
	mov	T_CALL_R11(%r8), %rax
	mov	%rax, UC_MC+24(%rsp)
	mov	%r12, UC_MC+32(%rsp)
	mov	%r13, UC_MC+40(%rsp)
	mov	%r14, UC_MC+48(%rsp)
	mov	%r15, UC_MC+56(%rsp)
	mov	T_CALL_RDI(%r8), %rax
	mov	%rax, UC_MC+64(%rsp)
	mov	T_CALL_RSI(%r8), %rax
	mov	%rax, UC_MC+72(%rsp)
	mov	%rbp, UC_MC+80(%rsp)
	mov	%rbx, UC_MC+88(%rsp)
	mov	T_CALL_RDX(%r8), %rax
	mov	%rax, UC_MC+96(%rsp)
	mov	T_CALL_RAX(%r8), %rax
	mov	%rax, UC_MC+104(%rsp)
	mov	engine_vdso_enclu(%rip), %rax
	mov	%rax, UC_MC+112(%rsp)		/* RCX = RIP = the ENCLU */
	mov	%rax, UC_MC+128(%rsp)
	mov	T_CALL_RSP(%r8), %rax
	mov	%rax, UC_MC+120(%rsp)
	mov	T_CALL_RFLAGS(%r8), %rax
	mov	%rax, UC_MC+136(%rsp)
	movabs	$0x002b000000000033, %rax	/* SS, CS of user mode */
	mov	%rax, UC_MC+144(%rsp)
	movq	$7, UC_FLAGS(%rsp)		/* UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
	movq	$0, UC_LINK(%rsp)
	lea	SLOT_STACK_OFFSET(%r8), %rax
	mov	%rax, UC_STACK(%rsp)
	movq	$0, UC_STACK+8(%rsp)
	movq	$(1 << SLOT_SHIFT) - SLOT_STACK_OFFSET, UC_STACK+16(%rsp)
	mov	T_CALL_MASK(%r8), %rax
	mov	%rax, UC_SIGMASK(%rsp)
	lea	CALL_FPSTATE(%r8), %rdi
	mov	%rdi, UC_MC+184(%rsp)
	.irp	i, 0, 8, 16, 24, 32, 40, 48, 56
	movq	$0, FP_HEADER+\i(%rdi)
	.endr
	mov	$-1, %eax
	mov	$-1, %edx
	xsave64	(%rdi)
	.irp	i, 0, 8, 16, 24, 32, 40
	mov	T_FP_SW+\i(%r8), %rax
	mov	%rax, FP_SW+\i(%rdi)
	.endr
	mov	T_FP_SW+16(%r8), %eax		/* xstate_size: FP_XSTATE_MAGIC2 lies behind */
	movl	$0x46505845, (%rdi,%rax)
	mov	%rsp, %rsi
	lea	8(%rsp), %rbx
	mov	%r8, %r12
	mov	%r8, %rdi
	call	rt_call				/* (thread, frame) */
	jmp	rt_finish
	.globl	enter_trap
enter_trap:				/* RCX is the AEP again once the engine has looked */
	int3
	ud2
	.size	enter_fast, . - enter_fast

	.section .rodata
	.balign	8
aep_max:
	.quad	0x7fffffffffff
	.text

/*
 * exit_checked: from a trampoline, inside the enclave, for EAX = 4: RAX is the thread, RBX the target, which is the one
 * that the model accepted last; RCX is free, flags are not. Continues at the target with RAX = 4, RCX = AEP.
 */
	.globl	exit_checked, exit_released, window_end
	.type	exit_checked, @function
	.balign	64
exit_checked:
	mov	T_HOST_FSBASE(%rax), %rcx
	wrfsbase %rcx
	mov	T_HOST_GSBASE(%rax), %rcx
	wrgsbase %rcx
	movb	$0, T_SUD(%rax)
	movq	$0, T_IN_ENCLAVE(%rax)
	mov	T_TCS(%rax), %rcx
	movq	$0, TCS_STATE(%rcx)
	mov	T_TCS_WORD(%rax), %rcx
	movq	$0, (%rcx)
exit_released:
	mov	T_AEP(%rax), %rcx
	mov	$4, %eax
	jmp	*%rbx
window_end:
	.size	exit_checked, . - exit_checked

/*
 * rt_signal_entry: every handler of the runtime. The kernel put us on the thread's alternate stack; nothing needs to be
 * preserved, the frame has it all.
 */
	.globl	rt_signal_entry
	.type	rt_signal_entry, @function
rt_signal_entry:
	push	$PLAIN_FLAGS		/* handlers start with AC as it was */
	popfq
	mov	%rdx, %rbx
	mov	%rsi, %r12
	and	$-(1 << SLOT_SHIFT), %r12
	sub	$8, %rsp
	call	rt_signal		/* true: it interrupted the runtime, which goes on */
	test	%al, %al
	jz	rt_finish
	mov	%rbx, %rsp
	mov	$15, %eax
	syscall
	ud2
	.size	rt_signal_entry, . - rt_signal_entry

/*
 * rt_finish: back to the program, with the state in the struct kucontext at RBX; R12 is the thread. A signal that lands
 * before the system call is only noted (T_AGAIN), and brings the thread back to the first instruction here.
 */
	.globl	rt_finish, rt_finish_end
	.type	rt_finish, @function
rt_finish:
	cmpl	$0, T_AGAIN(%r12)
	jne	1f
	mov	%rbx, %rsp
	mov	$15, %eax
	syscall
rt_finish_end:
	ud2
1:	mov	%rbx, %rdi
	sub	%r12, %rdi
	shr	$SLOT_SHIFT, %rdi
	lea	CALL_FRAME(%r12), %rsp	/* the frame is on the program's stack, of which nothing is known .. */
	jnz	2f
	mov	%rbx, %rsp		/* .. or in the slot */
	and	$-16, %rsp
2:	mov	%r12, %rdi
	mov	%rbx, %rsi
	call	rt_pending
	mov	%rax, %rbx
	jmp	rt_finish
	.size	rt_finish, . - rt_finish

/* rt_restorer: named to the kernel, never returned to. */
	.globl	rt_restorer
	.type	rt_restorer, @function
rt_restorer:
	mov	$15, %eax
	syscall
	ud2
	.size	rt_restorer, . - rt_restorer

/*
 * rt_sigreturn_entry: a handler of the program has returned through the restorer in the vDSO image; RSP points to its
 * struct kucontext. The C function repairs the frame (and may turn it into a resumed enclave), then the kernel loads it.
 * Until rt_sigreturn_masked a signal is the program's still; nothing has happened then. The handler's stack may be full:
 * the slot's own is free.
 */
	.globl	rt_sigreturn_entry, rt_sigreturn_masked
	.type	rt_sigreturn_entry, @function
rt_sigreturn_entry:
	mov	$14, %eax		/* rt_sigprocmask(SIG_SETMASK, all that can wait, NULL, 8) */
	mov	$2, %edi
	lea	call_mask(%rip), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall
rt_sigreturn_masked:
	mov	%ds, %eax
	lea	thread_table(%rip), %rcx
	mov	-7(%rcx,%rax), %r12
	mov	%rsp, %rbx
	lea	CALL_FRAME(%r12), %rsp
	push	$PLAIN_FLAGS
	popfq
	mov	%r12, %rdi
	mov	%rbx, %rsi
	call	rt_sigreturn
	mov	%rax, %rbx		/* it may have moved it into the slot */
	jmp	rt_finish
	.size	rt_sigreturn_entry, . - rt_sigreturn_entry

/*
 * rt_stub: a trapped system call that the program may make itself is made here, inside the range that the filter lets
 * through. It leaves all registers as the program's own SYSCALL would have, and needs no stack: RCX and R11 are free
 * behind SYSCALL, and what they are to be is in the TCB.
 */
	.globl	rt_stub, rt_stub_ret, rt_stub_end
	.type	rt_stub, @function
rt_stub:
	syscall
rt_stub_ret:
	mov	%ds, %ecx
	lea	thread_table(%rip), %r11
	mov	-7(%r11,%rcx), %rcx
	mov	T_STUB_R11(%rcx), %r11
	mov	T_STUB_RIP(%rcx), %rcx
	jmp	*%rcx
	.globl	rt_debug_event
rt_debug_event:				/* the way back of a call that a debugger wants to see the end of */
	nop
	jmp	rt_stub_ret
rt_stub_end:
	.size	rt_stub, . - rt_stub

/*
 * rt_wait_stub: as rt_stub, for a call that waits with a signal mask of its own, or for signals. Underneath some of its
 * arguments are others, and the mask may have to be changed behind it: the program's registers are in the TCB. While the
 * kernel waits, its mask is the program's to the letter, the platform's signals included. Flags stay as they are.
 */
	.globl	rt_wait_stub, rt_wait_ret, rt_wait_done, rt_wait_saved, rt_wait_loaded, rt_wait_trap, rt_wait_end
	.type	rt_wait_stub, @function
rt_wait_stub:
	syscall
rt_wait_ret:
	lea	thread_table(%rip), %r11
	lea	4(%rax), %rcx
	jrcxz	rt_wait_again
	jmp	rt_wait_done
rt_wait_again:				/* -EINTR, and no handler: another thread was faster to take the signal */
	mov	%ds, %ecx
	mov	-7(%r11,%rcx), %rcx
	mov	T_WAIT_NR(%rcx), %rax
	jmp	rt_wait_stub
rt_wait_done:
	mov	%ds, %ecx
	mov	-7(%r11,%rcx), %rcx
	movq	$0, T_WAIT_OPEN(%rcx)
	mov	T_WAIT_RESTORE(%rcx), %rcx
	jrcxz	rt_wait_loaded
	mov	%ds, %ecx
	mov	-7(%r11,%rcx), %rcx
	mov	%rax, T_WAIT_RAX(%rcx)
rt_wait_saved:
	mov	$14, %eax			/* rt_sigprocmask(SIG_SETMASK, wait_outer, NULL, 8) */
	mov	$2, %edi
	lea	T_WAIT_OUTER(%rcx), %rsi
	mov	$0, %edx
	mov	$8, %r10d
	syscall
	mov	%ds, %ecx
	lea	thread_table(%rip), %r11
	mov	-7(%r11,%rcx), %rcx
	mov	T_WAIT_RAX(%rcx), %rax
rt_wait_loaded:
	mov	%ds, %ecx
	mov	-7(%r11,%rcx), %rcx
	mov	T_WAIT_TRAP(%rcx), %rcx
	jrcxz	1f
rt_wait_trap:
	int3
1:	mov	%ds, %ecx
	mov	-7(%r11,%rcx), %rcx
	mov	T_WAIT_RDI(%rcx), %rdi
	mov	T_WAIT_RSI(%rcx), %rsi
	mov	T_WAIT_RDX(%rcx), %rdx
	mov	T_WAIT_R10(%rcx), %r10
	mov	T_WAIT_R8(%rcx), %r8
	mov	T_WAIT_R9(%rcx), %r9
	mov	T_STUB_R11(%rcx), %r11
	mov	T_STUB_RIP(%rcx), %rcx
	jmp	*%rcx
rt_wait_end:
	.size	rt_wait_stub, . - rt_wait_stub

/*
 * rt_clone_thread(flags, frame, ptid, ctid, tls, thread): clone a thread whose stack is its own slot; the child finishes
 * in rt_thread_start(thread), then loads @frame (a struct ksigframe in the slot).
 */
	.globl	rt_clone_thread
	.type	rt_clone_thread, @function
rt_clone_thread:
	push	%rbx
	push	%r12
	mov	%rsi, %r12
	mov	%r9, %rbx
	mov	%rcx, %r10
	mov	$56, %eax
	syscall
	test	%eax, %eax
	jz	1f
	pop	%r12
	pop	%rbx
	ret
1:	mov	%rbx, %rdi
	and	$-16, %rsp
	call	rt_thread_start
	mov	%rbx, %rax
	lea	8(%r12), %rbx
	mov	%rax, %r12
	jmp	rt_finish
	.size	rt_clone_thread, . - rt_clone_thread

/* rt_thread_exit(thread_in_use_word, mask, status): give the slot back, then end the thread; no stack in between. */
	.globl	rt_thread_exit
	.type	rt_thread_exit, @function
rt_thread_exit:
	mov	%rdx, %r8
	lock and %rsi, (%rdi)
	mov	%r8, %rdi
	mov	$60, %eax
	syscall
	ud2
	.size	rt_thread_exit, . - rt_thread_exit

/* rt_copy_try(dst, src, size): copy where either side may fault; 0, or the bytes left when it did (rt_signal moves RIP). */
	.globl	rt_copy_try, rt_copy_insn, rt_copy_done
	.type	rt_copy_try, @function
rt_copy_try:
	mov	%rdx, %rcx
rt_copy_insn:
	rep movsb
rt_copy_done:
	mov	%rcx, %rax
	ret
	.size	rt_copy_try, . - rt_copy_try

/* rt_probe_try(addr): rt_probe() of rtcopy.h; rt_signal moves RIP. */
	.globl	rt_probe_try, rt_probe_faulted
	.type	rt_probe_try, @function
rt_probe_try:
	lock orb $0, (%rdi)
	xor	%eax, %eax
	ret
rt_probe_faulted:
	mov	$1, %eax
	ret
	.size	rt_probe_try, . - rt_probe_try

	.section .rodata
	.balign	8
call_mask:				/* all signals but BUS 7 and SEGV 11, which rt_copy needs */
	.quad	~0x440

	.bss
	.balign	64
	.zero	64
	.globl	thread_table
thread_table:				/* indexed by selector - 7: struct thread * of a slot in use */
	.zero	8 * 8192
	.section .note.GNU-stack, "", @progbits
