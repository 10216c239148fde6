"""Running a notebook from top to bottom in a kernel of its own, and reading what it shows."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from liq_pipeline_tests.cli.running import environment

FOLDER = Path(__file__).parents[2] / "notebooks"
FIGURE = "application/vnd.plotly.v1+json"
_BOUND_SECONDS = 300


@dataclass(frozen=True)
class Executed:
    """A notebook with its outputs."""

    notebook: NotebookNode

    def outputs(self, cell: str) -> Iterator[Mapping[str, Any]]:
        """What a cell showed, by kind of content."""
        (found,) = (one for one in self.notebook.cells if one.id == cell)
        yield from (output.data for output in found.outputs)

    def said(self, cell: str) -> str:
        """The text that a cell showed, tables included."""
        return "\n".join(data.get("text/markdown") or data.get("text/html") or "" for data in self.outputs(cell))

    def figure(self, cell: str) -> dict[str, Any] | None:
        """The figure that a cell showed, with plain lists of numbers; None if it showed none."""
        figures = [data[FIGURE] for data in self.outputs(cell) if FIGURE in data]
        return _plain(figures[0]) if figures else None

    @property
    def figures(self) -> set[str]:
        """The cells that showed a figure."""
        return {cell.id for cell in self.notebook.cells if cell.cell_type == "code" and self.figure(cell.id)}


def read(name: str) -> NotebookNode:
    """A notebook as it is committed."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)


async def execute(name: str, settings: Mapping[str, str], **variables: str) -> Executed:
    """Run it with these LIQ_* settings in a ``.env`` above it, and no LIQ_* variables but the ones given.

    A cell that fails fails the test. The kernel ends, and leaves nothing.
    """
    notebook = read(name)
    # Short, since its name is part of the sockets' names.
    folder = Path(tempfile.mkdtemp(prefix="liq-nb-"))
    (folder / ".env").write_text("".join(f"{variable}={value}\n" for variable, value in settings.items()))
    (folder / "notebooks").mkdir()
    own = {name: str(folder / "own") for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
    kernel = AsyncKernelManager(transport="ipc", connection_file=str(folder / "k.json"))
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=_BOUND_SECONDS,
        startup_timeout=_BOUND_SECONDS,
        resources={"metadata": {"path": str(folder / "notebooks")}},
    )
    try:
        await client.async_execute(env=environment(**variables, **own, PLOTLY_RENDERER="plotly_mimetype"))
    finally:
        # The client ends only a kernel of its own making.
        await kernel.shutdown_kernel(now=True)
        shutil.rmtree(folder, ignore_errors=True)
    assert not await kernel.is_alive()
    return Executed(notebook)


def _plain(value: Any) -> Any:
    """A figure with its arrays decoded."""
    if isinstance(value, Mapping):
        if value.keys() >= {"dtype", "bdata"}:
            numbers = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            return numbers.reshape([int(size) for size in str(value.get("shape", numbers.size)).split(",")]).tolist()
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
