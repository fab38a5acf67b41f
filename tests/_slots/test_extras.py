"""Optional dependencies: imported when asked for, named when they are missing, and kept from the root logger."""

from __future__ import annotations

import logging
import sys

import pytest

from s3rl._slots.extras import import_extra
from s3rl.errors import MissingExtraError


def test_one_that_is_missing_is_named_with_the_call_that_installs_it():
    with pytest.raises(
        MissingExtraError, match=r"no_such_module: is not installed.*s3rl-tools\[trajectory\]"
    ) as caught:
        import_extra("no_such_module.part", "trajectory")
    assert caught.value.key == "no_such_module"


def test_an_import_leaves_the_root_logger_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "loud_module.py").write_text("import logging\nlogging.basicConfig(force=True)\nVALUE = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "loud_module", raising=False)
    own = logging.NullHandler()
    monkeypatch.setattr(logging.root, "handlers", [own])
    assert import_extra("loud_module", "communication").VALUE == 3
    assert logging.root.handlers == [own]
