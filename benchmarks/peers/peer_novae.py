"""Novae trained from scratch on the slice, since its pretrained models are downloads; one hop on arrays of spots."""

import lightning
import novae
from _contract import serve

GRAPHS = {"visium": {"technology": "visium"}, "st": {"coord_type": "grid", "n_neighs": 4, "delaunay": False}}


def domains(adata, n_domains, seed, kind):
    lightning.seed_everything(seed, verbose=False)
    novae.spatial_neighbors(adata, **GRAPHS.get(kind, {}))
    model = novae.Novae(adata, **({} if kind == "cells" else {"n_hops_local": 1, "n_hops_view": 1}))
    model.fit(enable_progress_bar=False)
    model.compute_representations()
    return adata.obs[model.assign_domains(n_domains=n_domains)]


if __name__ == "__main__":
    serve(domains)
