"""The code on the page about transforms runs and gives what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "transforms.md").read_text()


def test_the_page_runs(capsys):
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)
    assert names["new"]["tile"].shape == (3, 32, 32)
    assert names["new"]["coords"] is names["sample"]["coords"]
    assert capsys.readouterr().out == re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]
    deep = np.full((5, 40, 40), 2000, np.uint16)
    assert names["fluorescence"]({"tile": deep}, np.random.default_rng(0))["tile"].shape == (5, 32, 32)
    tile = names["DropChannel"]()({"tile": np.ones((3, 2, 2), np.uint8)}, np.random.default_rng(0))["tile"]
    assert tile.sum() == 8


def test_the_page_names_every_transform():
    from s3rl import transforms

    helpers = {"Transform", "Compose"}
    assert [name for name in transforms.__all__ if f"`{name}" not in PAGE and name not in helpers] == []
