# SPDX-License-Identifier: BSD-2-Clause
"""subprocess, threads, signal handlers and faulthandler."""
import faulthandler
import os
import signal
import subprocess
import sys
import threading

print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 4"], capture_output=True))
print(subprocess.run([sys.executable, "-c", "import os; os.abort()"], stderr=subprocess.DEVNULL).returncode)
print(subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(16)"]).returncode)
r = subprocess.run([sys.executable, "-X", "faulthandler", "-c", "import ctypes; ctypes.string_at(16)"],
                   capture_output=True, text=True)
print(r.returncode, r.stderr.splitlines()[0])

total = []
def work(n):
    total.append(sum(i * i for i in range(n)))
threads = [threading.Thread(target=work, args=(20000 + i,)) for i in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(sum(total))

seen = []
signal.signal(signal.SIGALRM, lambda s, f: seen.append(s))
signal.signal(signal.SIGSEGV, lambda s, f: seen.append(s))
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
os.kill(os.getpid(), signal.SIGSEGV)
print(seen)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGILL})
os.kill(os.getpid(), signal.SIGUSR1)
print(signal.sigpending(), signal.sigwait({signal.SIGUSR1}))
faulthandler.enable(open(os.devnull, "w"))
pid = os.fork()
if pid == 0:
    os.kill(os.getpid(), signal.SIGFPE)
    os._exit(1)
print(os.waitpid(pid, 0)[1])
