"""The public surface, walked from every namespace's ``__all__``, and a small reader of numpydoc sections."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

SHELLS = ("pp", "tl", "pl", "datasets")
CORES = ("transforms", "nn", "losses")
NAMESPACES = (*SHELLS, *CORES)


def names(*namespaces: str) -> list[str]:
    """Qualified names, ``pp.normalize``, of everything that the namespaces list."""
    return [f"{space}.{name}" for space in namespaces for name in import_module(f"s3rl.{space}").__all__]


def resolve(qualified: str) -> object:
    """Import what a qualified name means."""
    space, name = qualified.split(".")
    return getattr(import_module(f"s3rl.{space}"), name)


def parameters_of(thing: object) -> dict[str, inspect.Parameter]:
    """Parameters of a function or of a class's constructor, without ``self``."""
    return dict(inspect.signature(thing).parameters)


def sections_of(thing: object) -> dict[str, list[str]]:
    """Lines of each numpydoc section of the docstring, by its title."""
    lines = (inspect.getdoc(thing) or "").splitlines()
    sections: dict[str, list[str]] = {"Summary": []}
    title = "Summary"
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line and re.fullmatch(r"-{3,}", below):
            title = line
            sections[title] = []
        elif not (re.fullmatch(r"-{3,}", line) and not sections[title]):
            sections[title].append(line)
    return sections


def documented(lines: list[str]) -> list[str]:
    """Names that a Parameters section defines: unindented lines, several names separated by commas."""
    heads = [line.split(" : ")[0].rstrip(" :") for line in lines if line and not line[0].isspace()]
    return [name.strip().lstrip("*") for head in heads for name in head.split(",")]
