"""CellCharter: its authors' benchmark of single DLPFC slices for arrays of spots, its tutorial elsewhere."""

import cellcharter as cc
import numpy as np
import pandas as pd
import scanpy as sc
import scvi
import squidpy as sq
from _contract import serve

SPOTS = {"n_latent": 5, "n_layers": 4}
CELLS = {"n_latent": 10, "n_layers": 3}


def domains(adata, n_domains, seed, kind):
    size = CELLS if kind == "cells" else SPOTS
    sc.pp.filter_genes(adata, min_counts=3)
    sc.pp.filter_cells(adata, min_counts=3)
    adata.layers["counts"] = adata.X.copy()
    if adata.n_vars > 5000:
        sc.pp.highly_variable_genes(adata, n_top_genes=5000, subset=True, layer="counts", flavor="seurat_v3")
    scvi.settings.seed = seed
    scvi.model.SCVI.setup_anndata(adata, layer="counts")
    model = scvi.model.SCVI(adata, n_latent=size["n_latent"])
    plan = {"optimizer": "AdamW", "reduce_lr_on_plateau": True}
    model.train(early_stopping=True, plan_kwargs=plan, accelerator="cpu", enable_progress_bar=False)
    adata.obsm["X_scVI"] = model.get_latent_representation(adata).astype(np.float32)
    connect(adata, kind)
    cc.gr.aggregate_neighbors(adata, n_layers=size["n_layers"], use_rep="X_scVI", out_key="X_cellcharter")
    mixture = cc.tl.Cluster(
        n_clusters=n_domains, random_state=seed, trainer_params={"accelerator": "cpu", "enable_progress_bar": False}
    )
    mixture.fit(adata, use_rep="X_cellcharter")
    return pd.Series(np.asarray(mixture.predict(adata, use_rep="X_cellcharter")), index=adata.obs_names)


def connect(adata, kind):
    if kind == "cells":
        sq.gr.spatial_neighbors(adata, coord_type="generic", delaunay=True)
        cc.gr.remove_long_links(adata)
    else:
        sq.gr.spatial_neighbors(adata, coord_type="grid", n_neighs=6 if kind == "visium" else 4)


if __name__ == "__main__":
    serve(domains)
