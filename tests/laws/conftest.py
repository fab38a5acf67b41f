"""The chain, run once: a copy of the table at every stage, and the folder of the trained model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from laws.chain import ROWS, Row

TILED = {"tiled", "seen", "grouped"}


@dataclass
class Chain:
    """Stages of one table; every request is answered with a copy."""

    elements: dict[str, Any]
    stages: dict[str, Any]
    tiles: Any
    model: Path

    def table(self, stage: str) -> Any:
        return self.stages[stage].copy()

    def spatial(self, stage: str) -> Any:
        """A SpatialData of its own, with tiles in the stages after them."""
        import spatialdata as sd

        tiles = {"he_tiles": self.tiles.copy()} if stage in TILED else {}
        return sd.SpatialData.init_from_elements({**self.elements, **tiles, "table": self.table(stage)})

    def input(self, row: Row) -> Any:
        """What the function of a row is called with where any kind of object will do."""
        return self.spatial(row.stage) if row.spatial else self.table(row.stage)


@pytest.fixture(scope="session")
def chain(tmp_path_factory) -> Chain:
    import squidpy as sq

    import s3rl as s3

    sdata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4, rng=3)
    elements = {name: element for kind, name, element in sdata.gen_elements() if kind != "tables"}
    chain = Chain(elements, {"raw": sdata.tables["table"]}, None, tmp_path_factory.mktemp("chain") / "model")
    for row in ROWS:
        if row.gives is None:
            continue
        data = chain.input(row)
        row(data, chain.model, **({"model_dir": chain.model} if row.qualified == "tl.s3rl" else {}))
        table = data.tables["table"] if row.spatial else data
        if row.gives == "tiled":
            chain.tiles = data.shapes["he_tiles"]
        chain.stages[row.gives] = table
        if row.gives == "normalised":
            graph = table.copy()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sq.gr.spatial_neighbors_knn(graph, n_neighs=6)
            chain.stages["graph"] = graph
    return chain
