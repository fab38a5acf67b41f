"""Style, types, import order and the promises of the files around the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "mypy", "lint-imports"])
def test_tool_is_content(command):
    tool, *arguments = command.split()
    done = subprocess.run(
        [TOOLS / tool, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("ending", ["s3rl demo", "pytest"])
def test_readme_has_the_command_on_a_line_of_its_own(ending):
    assert len(re.findall(rf"^pip install -c constraints\.txt .*\[all.*\]\" && {ending}$", README, re.MULTILINE)) == 1


def test_files_that_the_readme_links_to_are_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_figure_of_the_readme_is_small():
    assert (ROOT / "docs" / "_static" / "demo.png").stat().st_size < 300_000


def test_every_dependency_is_pinned():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    pins = [
        line
        for name in ("constraints.txt", "docs/constraints.txt")
        for line in (ROOT / name).read_text().splitlines()
        if line and not line.startswith(("#", "-c"))
    ]
    pinned = {canonicalize_name(Requirement(line).name) for line in pins}
    assert all("==" in line for line in pins)
    assert {canonicalize_name(Requirement(line).name) for line in asked} - pinned - {"s3rl-tools"} == set()
