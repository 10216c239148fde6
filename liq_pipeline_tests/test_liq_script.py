"""The ``./liq`` script, in small copies of the clone whose packages are put in place by a make-believe uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parent.parent / "liq"
_UV = """#!/bin/sh
echo "$@" >> "$UV_LOG"
for last; do :; done
case "$1 $2" in
    "--version ") ;;
    "venv "*) exec "$REAL_PYTHON" -m venv --without-pip --clear "$last" ;;
    "pip install")
        [ -z "${UV_FAILS:-}" ] || exit 1
        case "$*" in
            *" -e "*)
                printf '#!/bin/sh\\necho "ran in $PWD:" "$@"\\n' > "$last/.venv/bin/liq"
                chmod +x "$last/.venv/bin/liq" ;;
        esac ;;
esac
"""


class _Clone:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.root.mkdir()
        shutil.copy(_SCRIPT, self.root / "liq")
        (self.root / "requirements.lock").write_text("one==1\n")
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "uv.log"
        self.program("uv", _UV)
        self.program("python3.13", "#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
        self.program("python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "UV_LOG": str(self.log),
            "REAL_PYTHON": sys.executable,
            **more,
        }

    def run(self, *arguments: str, script: Path | None = None, cwd: Path = Path("/"), **more: str) -> str:
        ran = subprocess.run(
            [script or self.root / "liq", *arguments],
            env=self.environment(**more),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.code, self.error = ran.returncode, ran.stderr
        return ran.stdout

    def installs(self) -> int:
        return self.log.read_text().count("--require-hashes") if self.log.exists() else 0


@pytest.fixture
def clone(tmp_path: Path) -> _Clone:
    return _Clone(tmp_path)


def test_the_first_start_sets_up_with_progress_on_stderr_and_the_second_does_nothing(clone: _Clone) -> None:
    assert clone.run("status", "two words", cwd=clone.bin) == f"ran in {clone.bin}: status two words\n"
    assert "installing the packages" in clone.error
    assert clone.run("status") == "ran in /: status\n"
    assert (clone.error, clone.installs()) == ("", 1)


def test_it_works_through_links_from_anywhere(clone: _Clone, tmp_path: Path) -> None:
    (tmp_path / "first").symlink_to("a clone/liq")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "second").symlink_to("../first")
    assert clone.run("env", script=tmp_path / "folder" / "second") == "ran in /: env\n"
    assert (clone.root / ".venv").is_dir()


@pytest.mark.parametrize("damage", ["lock", "interrupted", "interrupted early", "python gone", "clone moved"])
def test_an_environment_that_does_not_fit_is_made_anew(clone: _Clone, damage: str) -> None:
    clone.run()
    if damage == "lock":
        (clone.root / "requirements.lock").write_text("one==2\n")
    elif damage == "interrupted":
        (clone.root / ".venv" / ".liq-stamp").unlink()
    elif damage == "interrupted early":
        shutil.rmtree(clone.root / ".venv")
        (clone.root / ".venv" / "bin").mkdir(parents=True)
    elif damage == "python gone":
        python = clone.root / ".venv" / "bin" / "python"
        python.unlink()
        python.symlink_to("/nowhere/python")
    else:
        moved = clone.root.with_name("moved")
        clone.root.rename(moved)
        clone.root = moved
    assert clone.run("x") == "ran in /: x\n"
    assert clone.installs() == 2


def test_starts_at_the_same_time_set_up_once(clone: _Clone) -> None:
    starts = [
        subprocess.Popen([clone.root / "liq", "x"], env=clone.environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert ["ran in" in start.communicate(timeout=120)[0] for start in starts] == [True] * 3
    assert clone.installs() == 1


def test_a_failed_installation_says_so_and_the_next_start_tries_again(clone: _Clone) -> None:
    clone.program("python3", f'#!/bin/sh\ncase "$*" in *venv*--clear*) exit 1;; esac\nexec "{sys.executable}" "$@"\n')
    assert clone.run("x", UV_FAILS="1") == ""
    assert clone.code == 2
    assert "could not be installed" in clone.error
    assert clone.run("x") == "ran in /: x\n"


def test_without_a_working_python_it_says_what_to_install(clone: _Clone) -> None:
    # Everything the script needs but a Python.
    for tool in ("sh", "dirname", "readlink", "cat", "cksum"):
        found = shutil.which(tool)
        assert found
        (clone.bin / tool).symlink_to(found)
    clone.program("python3", "#!/bin/sh\nexit 1\n")
    clone.run("x", PATH=str(clone.bin))
    assert clone.code == 2
    assert "no working Python 3.11, 3.12 or 3.13" in clone.error


def test_a_folder_that_is_no_environment_is_left_alone(clone: _Clone) -> None:
    (clone.root / ".venv").mkdir()
    (clone.root / ".venv" / "thesis.txt").write_text("precious")
    clone.run("x")
    assert clone.code == 2
    assert "move it away" in clone.error
    assert (clone.root / ".venv" / "thesis.txt").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_clone_that_cannot_be_written_is_told_how_to_mend_it(clone: _Clone) -> None:
    clone.root.chmod(0o555)
    clone.run("x")
    clone.root.chmod(0o755)
    assert clone.code == 2
    assert "cannot be written" in clone.error
