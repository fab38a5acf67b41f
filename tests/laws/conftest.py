"""The chain, run once: a copy of the table at every stage, and the folder of the trained model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from laws.chain import ROWS


@dataclass
class Chain:
    """Stages of one table; every request is answered with a copy."""

    elements: dict[str, Any]
    stages: dict[str, Any]
    model: Path

    def table(self, stage: str) -> Any:
        return self.stages[stage].copy()

    def spatial(self, stage: str) -> Any:
        import spatialdata as sd

        return sd.SpatialData.init_from_elements({**self.elements, "table": self.table(stage)})


@pytest.fixture(scope="session")
def chain(tmp_path_factory) -> Chain:
    import squidpy as sq

    import s3rl as s3

    sdata = s3.datasets.simulated_cortex(n_spots=200, n_genes=80, n_layers=4, rng=3)
    elements = {name: element for kind, name, element in sdata.gen_elements() if kind != "tables"}
    chain = Chain(elements, {"raw": sdata.tables["table"]}, tmp_path_factory.mktemp("chain") / "model")
    for row in ROWS:
        if row.gives is None:
            continue
        table = chain.table(row.stage)
        row(table, chain.model, **({"model_dir": chain.model} if row.qualified == "tl.s3rl" else {}))
        chain.stages[row.gives] = table
        if row.gives == "normalised":
            graph = table.copy()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sq.gr.spatial_neighbors_knn(graph, n_neighs=6)
            chain.stages["graph"] = graph
    return chain
