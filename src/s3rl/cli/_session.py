"""What the user sees while a command runs: a line for each step, findings about the data, and nothing of libraries."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

_NAME_WIDTH = 16
# by their full names: filters, unlike levels, are neither inherited nor reset when a library is imported
_QUIET = ("spatialdata._logging", "spatialdata_plot._logging", "scanpy", "anndata", "ome_zarr", "matplotlib")


class Steps:
    """Steps of a command and their seconds; prints a line to stderr when one ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[list[str]]:
        """Time one step; what it appends to the list that it is given stands at the end of its line."""
        said: list[str] = []
        if sys.stderr.isatty():
            click.echo(f"  {name} ...\r", err=True, nl=False)
        start = time.perf_counter()
        yield said
        taken = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + taken
        click.echo(f"  {name:<{_NAME_WIDTH}}{taken:6.1f} s  {', '.join(said)}".rstrip(), err=True)


class _Findings(logging.Handler):
    """Print what s3rl found out about the data, and leave out which slots it wrote."""

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith("wrote "):
            click.echo(f"    note: {record.getMessage()}", err=True)


@contextmanager
def quiet_process() -> Iterator[None]:
    """Show the findings of s3rl, and neither warnings nor messages of the libraries it uses; undone at the end.

    Warnings stay on where Python was started with ``-W`` or ``PYTHONWARNINGS``.
    """
    own = logging.getLogger("s3rl")
    level, propagates, handler = own.level, own.propagate, _Findings()
    own.addHandler(handler)
    own.setLevel(logging.INFO)
    own.propagate = False
    for name in _QUIET:
        logging.getLogger(name).addFilter(_is_error)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield
    finally:
        own.removeHandler(handler)
        own.setLevel(level)
        own.propagate = propagates
        for name in _QUIET:
            logging.getLogger(name).removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
