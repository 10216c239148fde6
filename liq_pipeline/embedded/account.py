"""Whom the servers run as: PostgreSQL refuses root, so root lends an unprivileged account that already exists."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from liq_pipeline.errors import ServerError

_OURS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """A user and group; ``lent`` when it is not the one this process runs as."""

    name: str
    uid: int
    gid: int
    lent: bool

    def own(self, path: Path) -> None:
        """Give a file or folder to this account."""
        if self.lent:
            os.chown(path, self.uid, self.gid)

    def folder(self, path: Path) -> Path:
        """A folder only this account can enter, made if it is missing."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.own(path)
        return path

    def can_run(self, program: Path) -> bool:
        """Whether this account reaches and can really execute ``program --version``."""
        try:
            return self.run([program, "--version"]).returncode == 0
        except OSError:
            return False

    def can_enter(self, folder: Path) -> bool:
        """Whether this account reaches ``folder`` and may use paths inside it."""
        return not self.lent or self.run(["/bin/sh", "-c", 'cd "$1"', "sh", folder]).returncode == 0

    def run(
        self, command: Sequence[str | Path], environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a short command as this account and wait for it, at most two minutes."""
        return subprocess.run(
            command,
            env=environment or clean_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            user=self.uid if self.lent else None,
            group=self.gid if self.lent else None,
            extra_groups=[] if self.lent else None,
        )


def server_account() -> Account:
    """The account servers run as: this one, or for root ``postgres`` if it exists, otherwise ``nobody``.

    Raises ServerError when root finds neither.
    """
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), lent=False)
    for name in _OURS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, lent=True)
    raise ServerError(
        "PostgreSQL refuses to run as root and there is neither a user 'postgres' nor 'nobody' to run it as: "
        "create one of them, run as a normal user, or set LIQ_DATABASE_URL and LIQ_REDIS_URL"
    )


def clean_environment() -> dict[str, str]:
    """The environment for servers: theirs must not depend on the caller's locale, PG* variables or secrets."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def prepare_home(home: Path) -> Path:
    """Make ``home`` if it is missing and be sure that it can be written.

    Raises ServerError, with the fix, if not.
    """
    try:
        made = not home.exists()
        home.mkdir(parents=True, exist_ok=True)
        # Root's umask may be tight; a home that is new or empty is ours to open for passing through, and nothing else.
        if os.geteuid() == 0 and (made or not any(home.iterdir())):
            home.chmod(0o711)
        probe = home / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ServerError(
            f"LIQ_HOME={home} cannot be written ({error.strerror}): set LIQ_HOME to a folder you may write"
        ) from None
    return home


def account_for(home: Path) -> Account:
    """The account that servers of ``home`` run as, which can really work there.

    Raises ServerError, with the fix, for a home it cannot reach or PostgreSQL's tools cannot handle.
    """
    account = server_account()
    if unsuitable := set(str(home)) & set('"$`\\\n'):
        # initdb hands the path of its own folder to a shell, between double quotes.
        raise ServerError(f"LIQ_HOME={home} holds {' '.join(sorted(unsuitable))!r}: PostgreSQL needs a plainer path")
    if not _has_entry(account.uid):
        raise ServerError(
            f"user id {account.uid} has no entry in the user database, which PostgreSQL's initdb needs: "
            "run as a user that has one, or set LIQ_DATABASE_URL and LIQ_REDIS_URL"
        )
    if not account.can_enter(home):
        raise ServerError(
            f"LIQ_HOME={home} cannot be entered by the user {account.name!r}, whom root runs PostgreSQL as: "
            "set LIQ_HOME to a folder everybody may pass through, such as /var/lib/liq"
        )
    return account


def _has_entry(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
