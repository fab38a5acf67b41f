"""The size of files, bodies and classes, and words that do not belong into a library."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "s3rl").rglob("*.py"))
TEXTS = {".bib", ".cff", ".cfg", ".css", ".ipynb", ".md", ".py", ".rst", ".sh", ".toml", ".txt", ".yaml", ".yml"}
# a folder of one machine: an absolute path below a home, a root or a mount
MACHINE_PATH = re.compile(r"(?<![\w.:/<>{}$~])/(?:home|root|Users|mnt|work|scratch)/\w")

every_source = pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())


def lines_of(node: ast.AST) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def walk(file: Path, *kinds: type[ast.AST]) -> list[ast.AST]:
    return [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, kinds)]


@every_source
def test_files_have_at_most_300_lines(file):
    assert len(file.read_text().splitlines()) <= 300


@every_source
def test_bodies_have_at_most_50_lines(file):
    long = {node.name: lines_of(node) for node in walk(file, ast.FunctionDef, ast.AsyncFunctionDef)}
    assert {name: lines for name, lines in long.items() if lines > 50} == {}


@every_source
def test_classes_have_at_most_150_lines(file):
    long = {node.name: lines_of(node) for node in walk(file, ast.ClassDef)}
    assert {name: lines for name, lines in long.items() if lines > 150} == {}


@every_source
def test_sources_neither_print_nor_assert_nor_leave_stubs(file):
    calls = {ast.unparse(node.func) for node in walk(file, ast.Call)}
    assert not calls & {"print", "pickle.load", "pickle.loads", "torch.load", "np.random.seed", "torch.manual_seed"}
    assert not walk(file, ast.Assert)
    assert not re.search(r"#\s*(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError", file.read_text())


def test_no_file_names_a_folder_of_one_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    files = [ROOT / name for name in listed.split("\0") if name] or list(ROOT.glob("[!.]*/**/*"))
    texts = [file for file in files if file.is_file() and (file.suffix in TEXTS or file.parent.name == ".ci")]
    assert texts
    assert [file.name for file in texts if MACHINE_PATH.search(file.read_text(encoding="utf-8"))] == []
