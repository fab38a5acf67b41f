"""The page about tiles: its examples run, and what it says about them is so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import s3rl as s3

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "tiles.md").read_text()


def test_examples_run_in_their_order():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    own = [block for block in blocks if "section.h5ad" not in block and "spatialdata_io" not in block]
    assert len(own) == len(blocks) - 2
    names: dict = {}
    exec("\n".join(own), names)
    sdata = names["sdata"]
    for key, side in (("he_tiles", 17), ("wide", 32), ("tower_tiles", 17)):
        assert set(sdata.shapes[key]["size"]) == {side}
    assert set(sdata.shapes["tower_tiles"]["level"]) == {"scale2"}
    np.testing.assert_array_equal(names["positions"], [5, 17, 2])


def test_the_table_of_sizes_is_that_of_the_package():
    rows = re.findall(r'\| `"(\w+)"` \| (\d+) \| ([\d.]+) µm \| ([\d.]+) µm \|', PAGE)
    assert {name: (int(pixels), float(pixel)) for name, pixels, pixel, _ in rows} == {
        name: (preset.pixels, preset.microns_per_pixel) for name, preset in s3.pp.TILE_PRESETS.items()
    }
    assert all(round(s3.pp.TILE_PRESETS[name].microns, 1) == float(side) for name, _, _, side in rows)


def test_messages_of_the_table_are_those_of_the_package():
    source = "".join(file.read_text() for file in (Path(s3.__file__).parent / "_slots").glob("*.py"))
    section = PAGE.split("the call that repairs it")[1]
    for line in re.findall(r"^\| (`.*?) \| ", section, re.MULTILINE):
        for message in re.findall(r"`([^`]*)`", line):
            words = re.sub(r"^\w+: ", "", message).split(" images[")[0].replace("'scale2'", "")
            assert words.strip() in source, message


def test_the_picture_is_there():
    assert (DOCS / re.search(r"\]\((_static/tiles\.png)\)", PAGE)[1]).stat().st_size > 10_000
