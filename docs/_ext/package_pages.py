"""Pages made from the package itself, so that they cannot fall behind it."""

from __future__ import annotations

import shutil
from dataclasses import fields
from importlib import import_module
from pathlib import Path

TUTORIALS = Path(__file__).parents[2] / "tutorials"
NAMESPACES = {
    "pp": "Preparation",
    "tl": "Tools",
    "pl": "Plots",
    "datasets": "Data",
    "transforms": "Transforms of tiles",
    "nn": "Layers and prototypes",
    "losses": "Losses",
    "errors": "Errors",
}


def api_page(namespace: str, title: str) -> str:
    """ReStructuredText that lists everything in ``s3rl.<namespace>.__all__``."""
    module = import_module(f"s3rl.{namespace}")
    heading = f"{title}: ``s3rl.{namespace}``"
    names = "\n".join(f"   {name}" for name in module.__all__)
    return f"""{heading}
{"=" * len(heading)}

{module.__doc__.splitlines()[0]}

.. currentmodule:: s3rl.{namespace}

.. autosummary::
   :toctree: .
   :nosignatures:

{names}
"""


def defaults_page(kind: str = "S3RLParams") -> str:
    """Markdown table: name, default and the paper's value of every parameter of a class of ``s3rl.tl``."""
    parameters = getattr(import_module("s3rl.tl"), kind)
    ours, papers = parameters(), parameters.paper()
    rows = [
        f"| `{field.name}` | `{getattr(ours, field.name)!r}` | `{getattr(papers, field.name)!r}` |"
        for field in fields(ours)
    ]
    return "\n".join([f"| name | default | `{kind}.paper()` |", "|---|---|---|", *rows, ""])


def errors_page() -> str:
    """The tree that the docstring of ``s3rl.errors`` draws."""
    text = import_module("s3rl.errors").__doc__ or ""
    drawn = text.split("::\n", 1)[1].split("\n\nEvery", 1)[0].strip("\n")
    return f"```text\n{drawn}\n```\n"


def write_pages(folder: Path) -> None:
    """Write what the documentation includes, and put the tutorials where Sphinx finds them."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "api").mkdir(parents=True)
    for namespace, title in NAMESPACES.items():
        (folder / "api" / f"{namespace}.rst").write_text(api_page(namespace, title), encoding="utf-8")
    (folder / "defaults.txt").write_text(defaults_page(), encoding="utf-8")
    (folder / "simclr_defaults.txt").write_text(defaults_page("SimCLRParams"), encoding="utf-8")
    (folder / "errors.txt").write_text(errors_page(), encoding="utf-8")
    (folder / "tutorials").mkdir()
    for notebook in TUTORIALS.glob("*.ipynb"):
        shutil.copy(notebook, folder / "tutorials")
