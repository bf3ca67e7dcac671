# SPDX-License-Identifier: BSD-2-Clause
"""What Python programs do with processes, threads, signals and memory. Prints what must be the same everywhere."""
import faulthandler
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import threading


def processes():
    done = subprocess.run(['sh', '-c', 'cat; echo err >&2; exit 4'], input=b'in\n', capture_output=True, check=False)
    print(done)
    print(subprocess.run(['sh', '-c', 'kill -KILL $$'], check=False).returncode)
    try:
        subprocess.run(['/nowhere/at-all'], check=False)
    except FileNotFoundError as error:
        print(error)
    print(subprocess.check_output('echo $((6 * 7)) | cat', shell=True))


def threads():
    lock, total = threading.Lock(), [0]

    def work(n):
        for i in range(1000):
            with lock:
                total[0] += n * i
    all_of_them = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join()
    print(total[0])


def square(n):
    return n * n


def pool():
    context = multiprocessing.get_context('fork')
    with context.Pool(3) as workers:
        print(sum(workers.map(square, range(500))))


def crash():
    faulthandler.enable()
    pid = os.fork()
    if pid == 0:
        faulthandler._sigsegv()
    print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
    sys.stdout.flush()
    faulthandler._sigsegv()


def signals():
    seen = []
    signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    while len(seen) < 5:
        signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    print(seen[:5], seen[-1], signal.sigpending(), signal.sigwait([signal.SIGUSR2]))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def memory():
    shared = mmap.mmap(-1, 1 << 20)
    if os.fork() == 0:
        shared[4096:4101] = b'child'
        os._exit(0)
    print(os.wait()[1], shared[4096:4101])
    with open(sys.argv[0], 'rb') as this, mmap.mmap(this.fileno(), 0, prot=mmap.PROT_READ) as view:
        print(view[:7], view.find(b'memory'))
    shared.close()


globals()[sys.argv[1]]()
