"""The one logger of the package; a line for each slot written."""

from __future__ import annotations

import logging

logger = logging.getLogger("s3rl")


def wrote(slot: str, what: str) -> None:
    """Log that ``slot`` was written, with its content in a few words."""
    _ensure_handler()
    logger.info("wrote %s: %s", slot, what)


def note(message: str, *args: object) -> None:
    """Log a finding about the data that the user should know."""
    _ensure_handler()
    logger.info(message, *args)


def _ensure_handler() -> None:
    """Show messages on stderr where neither the user nor a program has configured logging."""
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("s3rl: %(message)s"))
        logger.addHandler(handler)
