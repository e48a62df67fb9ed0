"""`run/admin.lock`: only one control program changes the agent at a time."""

import fcntl
import json
import os
import sys
import time

from .common import Home


class AdminLock:
    """Holds the lock inside a `with`; the kernel drops it when the process that holds it is gone.

    Raises TimeoutError when another process still holds it after `seconds`.
    """

    def __init__(self, home: Home, seconds: float) -> None:
        self.path = f"{home.path}/run/admin.lock"
        self.seconds = seconds
        self.descriptor = -1

    def __enter__(self) -> None:
        deadline = time.monotonic() + self.seconds
        while not self._try():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.path} is held by another process")
            time.sleep(0.02)
        text = json.dumps({"pid": os.getpid(), "exe": os.path.realpath(sys.argv[0])})
        os.truncate(self.descriptor, 0)
        os.write(self.descriptor, text.encode())

    def __exit__(self, *details: object) -> None:
        os.unlink(self.path)
        os.close(self.descriptor)

    def _try(self) -> bool:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder removes the file before it lets go, so the lock may be on a file that is gone.
            if os.stat(self.path).st_ino == os.fstat(descriptor).st_ino:
                self.descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return False
