"""The documentation names everything that is public, and nothing that is not there."""

from __future__ import annotations

import builtins
import importlib.util
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from laws.chain import ROWS

import s3rl

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

spec = importlib.util.spec_from_file_location("package_pages", DOCS / "_ext" / "package_pages.py")
package_pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package_pages)


def test_the_reference_has_a_page_for_every_namespace():
    linked = re.findall(r"^generated/api/(\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(linked) == sorted(package_pages.NAMESPACES) == sorted(s3rl.__all__)


@pytest.mark.parametrize("namespace", package_pages.NAMESPACES)
def test_the_reference_lists_exactly_what_is_public(namespace):
    page = package_pages.api_page(namespace, "Title")
    listed = page.split(":nosignatures:")[1].split()
    assert listed == sorted(import_module(f"s3rl.{namespace}").__all__)


MODEL = {"pp.signed_neighbors", "tl.s3rl", "tl.simclr"}


def test_every_slot_of_the_model_is_described():
    page = (DOCS / "slots.md").read_text()
    model = {name for row in ROWS if row.qualified in MODEL for name in row.writes}
    assert model
    for attribute, key in (name.split("/") for name in model):
        assert f'`{attribute}["{key}"]`' in page


def test_the_method_page_names_tests_that_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)`", (DOCS / "method.md").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_parameter_of_the_model_has_a_default_on_the_method_page():
    table = package_pages.defaults_page()
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(s3rl.tl.S3RLParams.__dataclass_fields__)


def test_the_error_page_draws_the_whole_tree():
    drawn = package_pages.errors_page()
    assert sorted(set(re.findall(r"\w+Error\b", drawn)) - set(dir(builtins))) == s3rl.errors.__all__


def test_tutorials_are_kept_without_outputs():
    notebooks = sorted((ROOT / "tutorials").glob("*.ipynb"))
    assert notebooks
    for notebook in notebooks:
        cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells), notebook.name
