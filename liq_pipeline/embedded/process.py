"""Starting, recognising and stopping processes that may outlive the one that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

import psutil

from liq_pipeline.embedded.account import Account, clean_environment
from liq_pipeline.errors import ServerError

_PR_SET_PDEATHSIG: Final = 1


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    account: Account | None = None,
    environment: dict[str, str] | None = None,
    end_with: signal.Signals | None = signal.SIGTERM,
) -> psutil.Popen:
    """Start a process in a session of its own, so that a terminal's Ctrl-C reaches only its parent.

    Output is appended to ``log``. ``end_with`` is what Linux sends it when this thread ends in whatever way; None lets
    it outlive us.
    """
    with open_log(log) as output:
        return psutil.Popen(
            command,
            env=environment or clean_environment(),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account and account.lent else None,
            group=account.gid if account and account.lent else None,
            extra_groups=[] if account and account.lent else None,
            preexec_fn=with_parent(end_with) if end_with else None,
        )


def open_log(path: Path) -> IO[bytes]:
    """The log for appending; appending keeps it whole when it is truncated under the writer."""
    return path.open("ab")


def with_parent(end_with: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """What a child does first so that Linux sends it this when the thread that starts it ends; None elsewhere."""
    if sys.platform != "linux":
        return None
    parent = os.getpid()
    # Loaded before the fork: the child may only make the call. It is made after the change of user, which resets it.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(end_with), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), end_with)

    return arrange


def same(pid: int, created: float) -> psutil.Process | None:
    """The live process with this pid, if it is still the one that was created then."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - created) < 0.1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def alive(process: psutil.Process | None) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    with contextlib.suppress(psutil.Error):
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def in_folder(folder: Path) -> list[psutil.Process]:
    """Live processes whose working folder is ``folder``: servers chdir to their data, whatever their parent."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def stop(processes: Sequence[psutil.Process], signal_number: int = signal.SIGTERM, grace: float = 10.0) -> None:
    """Send a signal, wait up to ``grace`` seconds, then kill what is left and wait for that.

    Resource trackers come last: they remove the semaphores of killed processes once the last one is gone.
    """
    trackers = [process for process in processes if is_resource_tracker(process)]
    others = [process for process in processes if process not in trackers]
    for process in others:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)
    _, alive = psutil.wait_procs(others, timeout=grace)
    _kill(alive)
    _, alive = psutil.wait_procs(trackers, timeout=15)
    _kill(alive)


def is_resource_tracker(process: psutil.Process) -> bool:
    """Whether this is the helper of Python's multiprocessing that ignores signals and ends after those it serves."""
    with contextlib.suppress(psutil.Error):
        return "multiprocessing.resource_tracker" in " ".join(process.cmdline())
    return False


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def until(condition: Callable[[], bool], seconds: float, interval: float = 0.05) -> bool:
    """Wait for a condition, at most ``seconds``; whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: connections of the last server in TIME_WAIT do not make the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kept_port(file: Path) -> int:
    """The port recorded in ``file`` if it is still free, otherwise a new one, recorded there."""
    with contextlib.suppress(OSError, ValueError):
        port = int(file.read_text())
        if is_free(port):
            return port
    port = free_port()
    file.write_text(str(port))
    return port


def kept_secret(file: Path) -> str:
    """The secret in ``file``, made on first use; readable for nobody else."""
    with contextlib.suppress(FileNotFoundError):
        return file.read_text()
    secret = secrets.token_urlsafe(24)
    write_private(file, secret)
    return secret


def write_private(file: Path, text: str) -> None:
    """Write a file for this user's eyes only, all or nothing."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    temporary.replace(file)


def tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log, for an error message."""
    try:
        return " | ".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        raise ServerError(f"{log} cannot be read: {error.strerror}") from None
