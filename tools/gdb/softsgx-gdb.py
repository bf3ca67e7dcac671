# SPDX-License-Identifier: BSD-2-Clause
"""gdb for programs under softsgx: `softsgx gdb PID', or "source softsgx-gdb.py" after attaching. See doc/debugging.md.

Loads the symbols of enclaves as they appear, lets the runtime have its signals, and unwinds from enclaves into their
hosts and from exception handlers into the enclave that was interrupted.
"""
import struct

import gdb
from gdb.FrameDecorator import FrameDecorator
from gdb.unwinder import Unwinder

TABLE = 0x6f5000c00000			# src/front/debug.h
MAGIC = b'ssgdebug'
ENCLAVES = 320				# offset of the entries, and size of one
RUNTIME = 0x6f5000000000		# src/front/layout.h
RUNTIME_SIZE = 0x400000
SLOT_SIZE = 0x20000			# src/trap/thread.h
SLOT_TCS = 56
GPR_SIZE = 184				# GPRSGX
ERESUME = 3
TRAP_TRACE = 2
DEBUG, INIT = 2, 1
DEBUGGING = False
BOUNDARY = '__morestack'		# src/front/boundary.S

GPRS = ('rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15',
        'eflags', 'rip')


def read(addr, size):
    return bytes(gdb.selected_inferior().read_memory(addr, size))


def words(addr, layout):
    return struct.unpack(layout, read(addr, struct.calcsize(layout)))


class Enclave:
    def __init__(self, raw):
        (self.base, self.size, self.attributes, self.xfrm, self.id, self.bias, self.searched,
         self.ssaframesize) = struct.unpack_from('<6Q2I', raw)
        self.mapped, = struct.unpack_from('<I', raw, 56)
        self.path = raw[64:].split(b'\0')[0].decode(errors='replace')

    def key(self):
        return (self.base, self.id)

    def gpr(self, tcs, frame):
        """Registers that the SSA frame holds; "ursp" and "urbp" are the host's."""
        ossa, = words(tcs + 16, '<Q')
        end = self.base + ossa + (frame + 1) * (self.ssaframesize or 1) * 4096
        values = words(end - GPR_SIZE, '<20Q')
        return dict(zip(GPRS + ('ursp', 'urbp'), values))


class Table:
    """The runtime's table, read anew when the program has run."""
    def __init__(self):
        self.enclaves = []
        self.valid = False

    def refresh(self):
        try:
            head = read(TABLE, ENCLAVES)
        except gdb.MemoryError:
            head = b''
        self.valid = head[:8] == MAGIC
        self.enclaves = []
        if not self.valid:
            return False
        (version, count, self.changes, _, self.event, _, _, self.threads,
         self.enclu) = struct.unpack_from('<IIQQQIIQQ', head, 8)
        if version != 1:
            raise gdb.GdbError(f'this softsgx-gdb.py does not know version {version} of the table of enclaves')
        self.rt_path = head[64:].split(b'\0')[0].decode(errors='replace')
        raw = read(TABLE + ENCLAVES, ENCLAVES * count) if count else b''
        for i in range(count):
            enclave = Enclave(raw[i * ENCLAVES:(i + 1) * ENCLAVES])
            if enclave.size:
                self.enclaves.append(enclave)
        return True

    def at(self, addr):
        for enclave in self.enclaves:
            if enclave.base <= addr < enclave.base + enclave.size:
                return enclave
        return None


table = Table()
loaded = {}				# (base, id) -> (path, bias): symbols that gdb has
event_breakpoint = None
boundary = 0


def quiet(command):
    return gdb.execute(command, to_string=True)


def load_symbols(say=True):
    """Symbols of enclaves that have appeared; those of enclaves that are gone are forgotten."""
    present = {e.key(): e for e in table.enclaves if e.path and e.mapped}
    for key in [k for k in loaded if k not in present]:
        path, base = loaded.pop(key)
        try:
            quiet(f'remove-symbol-file -a {base:#x}')
        except gdb.error:
            pass
    for key, enclave in present.items():
        if key in loaded:
            continue
        try:
            quiet(f'add-symbol-file "{enclave.path}" -o {enclave.bias:#x}')
        except gdb.error as error:
            print(f'softsgx: symbols of the enclave at {enclave.base:#x}: {error}')
        loaded[key] = (enclave.path, enclave.base)
        if say:
            print(f'softsgx: enclave at {enclave.base:#x}: {enclave.path}')


class EventBreakpoint(gdb.Breakpoint):
    """The program passes here, in its own context, when an enclave is there and its code is mapped."""
    def __init__(self, addr):
        super().__init__(f'*{addr:#x}', internal=True)
        self.silent = True

    def stop(self):
        table.refresh()
        load_symbols()
        return False


class TrapBreakpoint(gdb.Breakpoint):
    """At an INT3 of the runtime's own that a UD2 follows: gdb passes over it, and the runtime sees the UD2."""
    def __init__(self, addr):
        super().__init__(f'*{addr:#x}', internal=True)
        self.silent = True

    def stop(self):
        return False


def symbol_at(addr):
    text = quiet(f'info symbol {addr:#x}')
    return '' if text.startswith('No symbol') else text.split()[0]


def address_of(name):
    return int(gdb.parse_and_eval(f'(unsigned long)&{name}'))


def attach():
    """Whenever the program has stopped for the first time, or has become another one."""
    global event_breakpoint, boundary
    if not table.refresh():
        return
    for signal in ('SIGSEGV', 'SIGILL', 'SIGBUS', 'SIGFPE', 'SIGSYS'):
        quiet(f'handle {signal} nostop noprint pass')
    if event_breakpoint is None:
        if table.rt_path:
            try:
                quiet(f'add-symbol-file "{table.rt_path}"')
                boundary = address_of(BOUNDARY) + 2
                for name in ('enter_trap', 'enter_raw_trap'):
                    TrapBreakpoint(address_of(name))
            except gdb.error:
                boundary = 0		# stripped: stacks are followed as far as gdb lets us
        gdb.selected_inferior().write_memory(TABLE + 40, struct.pack('<I', 1))
        event_breakpoint = EventBreakpoint(table.event)
    load_symbols()


def runtime_trap(pc):
    """Has an INT3 of the runtime's own stopped the program? Its address, or 0. gdb's own are explained before."""
    for at in (pc, pc - 1):		# gdb has put RIP back if it is sure that this was an INT3
        try:
            code = read(at, 3)
        except gdb.MemoryError:
            continue
        if code[0] == 0xcc and (code[1:] == b'\x01\xd7' or code[1] == 0xa2 or code[1:] == b'\x0f\x0b' or
                                RUNTIME <= at < RUNTIME + RUNTIME_SIZE):
            return at
    return 0


def on_stop(event):
    attach()
    if isinstance(event, (gdb.SignalEvent, gdb.BreakpointEvent)) or not table.valid:
        return				# of SIGTRAP gdb makes neither
    if int(gdb.parse_and_eval('$_siginfo.si_code')) != TRAP_TRACE:
        at = runtime_trap(int(gdb.newest_frame().read_register('rip')))
        if at:
            gdb.execute(f'set var $pc={at + 1:#x}')
            gdb.execute('signal SIGTRAP')


class Id:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


ULONG = gdb.lookup_type('unsigned long')


def value(number):
    return gdb.Value(number & 0xffffffffffffffff).cast(ULONG)


class EnclaveUnwinder(Unwinder):
    """
    Crosses between enclaves and hosts. A thread that is inside has its host's RSP and RBP in the SSA frame that EENTER
    chose, and the AEP in its TCS; the host's frame there is that of the function that executed ENCLU. A thread that has
    left by an exception has its enclave's registers in the SSA frame below the current one.

    What an older frame has to know travels in registers that nobody uses: ES holds the number of the SSA frame plus one
    of an activation that was interrupted; of the frame at the boundary, ORIG_RAX holds where it goes on.
    """
    def __init__(self):
        super().__init__('softsgx')

    def __call__(self, pending):
        if not table.valid:
            return None
        try:
            pc = int(pending.read_register('rip')) & 0xffffffffffffffff
            if boundary and pc == boundary:
                return self.beyond(pending)
            enclave = table.at(pc)
            if enclave:
                return self.inside(pending, enclave, pc)
            return self.outside(pending, pc)
        except (gdb.error, gdb.MemoryError, struct.error) as error:
            if DEBUGGING:
                print(f'softsgx: unwinding at {pc:#x}: {error!r}')
            return None

    def beyond(self, pending):
        low = int(pending.read_register('rsp')) & 0xffffff		# younger than every other frame, and distinct
        info = pending.create_unwind_info(Id(value(low), value(boundary)))
        for name in GPRS:
            if name != 'rip':
                info.add_saved_register(name, pending.read_register(name))
        for name in ('ds', 'es', 'cs', 'ss'):
            info.add_saved_register(name, pending.read_register(name))
        self.give(pending, info, 'rip', int(pending.read_register('orig_rax')))
        return info

    def cross(self, pending, registers, es):
        info = pending.create_unwind_info(Id(pending.read_register('rsp'), pending.read_register('rip')))
        for name in GPRS:
            if name in registers and name != 'rip':
                self.give(pending, info, name, registers[name])
        info.add_saved_register('ds', pending.read_register('ds'))
        for name in ('cs', 'ss'):
            info.add_saved_register(name, pending.read_register(name))
        self.give(pending, info, 'es', es)
        self.give(pending, info, 'orig_rax', registers['rip'])
        self.give(pending, info, 'rip', boundary or registers['rip'])
        return info

    def give(self, pending, info, name, number):
        kind = pending.read_register(name).type
        info.add_saved_register(name, gdb.Value((number & (1 << 8 * kind.sizeof) - 1).to_bytes(kind.sizeof, 'little'),
                                                kind))

    def slot_tcs(self, pending):
        """The TCS of the thread's last entry, in the runtime's view of it; 0: the thread has no slot."""
        ds = int(pending.read_register('ds')) & 0xffff
        if ds & 7 != 7:
            return 0
        return words(table.threads + ((ds >> 3) - 1) * SLOT_SIZE + SLOT_TCS, '<Q')[0]

    def inside(self, pending, enclave, pc):
        tcs = self.slot_tcs(pending)
        if not tcs:
            return None
        cssa, = words(tcs + 24, '<I')
        oentry, aep = words(tcs + 32, '<QQ')
        here = symbol_at(pc)
        if here and here != symbol_at(enclave.base + oentry):
            return None			# a function of the enclave's own: gdb unwinds it
        es = int(pending.read_register('es')) & 0xffff
        gpr = enclave.gpr(tcs, es - 1 if es else cssa)
        registers = dict.fromkeys(GPRS, 0)
        registers.update(rip=aep, rsp=gpr['ursp'], rbp=gpr['urbp'], eflags=0x202)
        return self.cross(pending, registers, 0)

    def interrupted(self, tcs, rbp, rsp):
        """The SSA frame of TCS in which the activation that this frame of the host made was interrupted."""
        enclave = table.at(tcs)
        if not enclave:
            return None
        cssa, = words(tcs + 24, '<I')
        for k in range(cssa - 1, -1, -1):
            gpr = enclave.gpr(tcs, k)
            if gpr['urbp'] == rbp and (rsp is None or gpr['ursp'] == rsp) and table.at(gpr['rip']) is enclave:
                return k, gpr
        return None

    def outside(self, pending, pc):
        rbp = int(pending.read_register('rbp'))
        rsp = None
        if pc == table.enclu:		# of a signal: the AEP, as an AEX leaves it
            if int(pending.read_register('rax')) != ERESUME:
                return None
            tcs = int(pending.read_register('rbx'))
            rsp = int(pending.read_register('rsp'))
        elif table.enclu - 0x80 < pc < table.enclu + 0x200 and symbol_at(pc) == '__vdso_sgx_enter_enclave':
            run, = words(rbp + 16, '<Q')	# the seventh argument
            tcs, function = words(run, '<QI')
            if function != ERESUME:
                return None
        else:
            return None
        found = self.interrupted(tcs, rbp, rsp)
        if not found:
            return None
        frame, registers = found
        registers['rip'] += 1		# gdb looks before the address of a caller: at the instruction that was interrupted
        return self.cross(pending, registers, frame + 1)


class BoundaryDecorator(FrameDecorator):
    def function(self):
        frame = self.inferior_frame()
        if boundary and frame.pc() == boundary:
            return '<enclave boundary>'
        return super().function()

    def address(self):
        frame = self.inferior_frame()
        newer = frame.newer()
        if newer and boundary and newer.pc() == boundary and int(frame.read_register('es')) & 0xffff:
            return frame.pc() - 1	# see EnclaveUnwinder.outside()
        return super().address()

    def filename(self):
        return None if self.inferior_frame().pc() == boundary else super().filename()

    def line(self):
        return None if self.inferior_frame().pc() == boundary else super().line()


class BoundaryFilter:
    def __init__(self):
        self.name = 'softsgx'
        self.priority = 100
        self.enabled = True
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        return map(BoundaryDecorator, frames)


class InfoSgx(gdb.Command):
    """List the enclaves of the program: base, size, what they are, and the file that they were made from."""
    def __init__(self):
        super().__init__('info sgx', gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        if not table.refresh():
            print('This program does not run under softsgx.')
            return
        load_symbols(False)
        for e in table.enclaves:
            kind = 'debug' if e.attributes & DEBUG else 'production'
            print(f'{e.base:#x} {e.size:#x} {kind} XFRM {e.xfrm:#x} {e.path or "(file unknown)"}')


class SgxOptin(gdb.Command):
    """sgx-optin TCS [on|off]: set or clear TCS.FLAGS.DBGOPTIN. It takes effect at the next entry through that TCS."""
    def __init__(self):
        super().__init__('sgx-optin', gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        words_ = gdb.string_to_argv(argument)
        if not 1 <= len(words_) <= 2 or (len(words_) == 2 and words_[1] not in ('on', 'off')):
            raise gdb.GdbError('Usage: sgx-optin TCS [on|off]')
        tcs = int(gdb.parse_and_eval(words_[0]))
        table.refresh()
        enclave = table.at(tcs)
        if not enclave or tcs & 0xfff:
            raise gdb.GdbError(f'{tcs:#x} is no TCS of an enclave')
        if not enclave.attributes & DEBUG:
            raise gdb.GdbError(f'the enclave at {enclave.base:#x} is no debug enclave')
        flags, = words(tcs + 8, '<Q')
        flags = flags & ~1 if words_[1:] == ['off'] else flags | 1
        gdb.selected_inferior().write_memory(tcs + 8, struct.pack('<Q', flags))


InfoSgx()
SgxOptin()
BoundaryFilter()
gdb.unwinder.register_unwinder(None, EnclaveUnwinder(), replace=True)
gdb.events.stop.connect(on_stop)
try:
    if gdb.selected_inferior().pid:
        attach()
        if not table.valid:
            print('softsgx: this program does not run under softsgx')
except gdb.error as problem:
    print(f'softsgx: {problem}')
