"""What docs/deploy holds for services: a Dockerfile without faults, and a unit that systemd takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parent.parent / "docs" / "deploy"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
SYSTEMD = shutil.which("systemd-analyze")


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint for this machine")
def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert HADOLINT is not None
    done = subprocess.run([HADOLINT, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(SYSTEMD is None, reason="no systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """With a program in place of the one that is installed by then."""
    assert SYSTEMD is not None
    unit = (DEPLOY / "bark.service").read_text("utf-8")
    installed = "/opt/bark/bin/bark"
    assert f"ExecStart={installed} serve" in unit
    (tmp_path / "bark.service").write_text(unit.replace(installed, sys.executable), "utf-8")
    command = [SYSTEMD, "verify", "--man=no", tmp_path / "bark.service"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
