"""The notebooks in docs/ run from the first cell to the last, in a kernel of their own, and show players."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SAYS = {"openvino": "likeliest tokens agree"}  # in what it prints
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_some() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"dialogue", "quick-start", "voices"}


@each_notebook
def test_nothing_is_left_of_a_run(path: Path) -> None:
    """Outputs are large, and differ with every run."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@each_notebook
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=240, resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = ["".join(output.data.get("text/html", "")) for output in outputs if "data" in output]
    assert sum("<audio controls" in page for page in pages) >= 2
    faults = [output.text for output in outputs if output.get("name") == "stderr"]
    assert not any("%" in fault for fault in faults)  # progress is none
    assert not any("Traceback" in output.get("text", "") for output in outputs)
    assert SAYS.get(path.stem, "") in "".join(output.get("text", "") for output in outputs)
