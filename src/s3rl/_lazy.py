"""Namespaces whose members are imported on first use (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def attach(package: str, members: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Build ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    Parameters
    ----------
    package
        ``__name__`` of the package.
    members
        Public name to the module that holds it, relative to the package; a module that is itself public maps to
        its own name.
    """

    def getattr_(name: str) -> Any:
        if name not in members:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {sorted(members)}")
        module = import_module(f".{members[name]}", package)
        value = module if members[name] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return getattr_, lambda: sorted(members), sorted(members)
