"""
Run a program that must not outlive its parent process: ``python die_with_parent.py COMMAND...``.

Our own programs watch their standard input; this is for others. On Linux the kernel signals the
program when its parent dies (PR_SET_PDEATHSIG). Elsewhere this process stays and watches its
standard input.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(command: list[str]) -> int:
    """Become *command* on Linux; start and watch it elsewhere, and return its exit code."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before prctl
            return 1
        os.execvp(command[0], command)  # noqa: S606 - no shell on purpose
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        child.terminate()

    threading.Thread(target=watch, daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.terminate())
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
