"""SpaGCN without histology: its tutorial, resolution searched for the number of domains, refined on spot arrays."""

import functools
import random

import numpy as np
import scanpy as sc
import SpaGCN as spg
import torch
from _contract import serve

P = 0.5


def domains(adata, n_domains, seed, kind):
    x, y = adata.obsm["spatial"].T.tolist()
    adj = spg.calculate_adj_matrix(x=x, y=y, histology=False)
    spg.prefilter_genes(adata, min_cells=3)
    spg.prefilter_specialgenes(adata)
    sc.pp.normalize_per_cell(adata)
    sc.pp.log1p(adata)
    adata.X = adata.X.toarray()
    n_pcs = min(50, adata.n_vars - 1)
    spg.SpaGCN.train = functools.partialmethod(spg.SpaGCN.train, num_pcs=n_pcs)
    scale = scale_of(adj)
    seeds = {"r_seed": seed, "t_seed": seed, "n_seed": seed}
    searched = {"start": 0.7, "step": 0.1, "tol": 5e-3, "lr": 0.05, "max_epochs": 20}
    resolution = spg.search_res(adata, adj, scale, n_domains, **searched, **seeds)
    model = spg.SpaGCN()
    model.set_l(scale)
    random.seed(seed)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the peer draws from the global state
    model.train(adata, adj, init_spa=True, init="louvain", res=resolution, tol=5e-3, lr=0.05, max_epochs=200)
    found = model.predict()[0].tolist()
    if kind == "cells":
        return found
    shape = {"visium": "hexagon", "st": "square"}[kind]
    return spg.refine(sample_id=adata.obs_names.tolist(), pred=found, dis=adj, shape=shape)


def scale_of(adj):
    """Length scale at which neighbours contribute P; the tutorial asks for a larger end where 1,000 is too small."""
    end = 1000
    while spg.calculate_p(adj, end) < P:
        end *= 10
    return spg.search_l(P, adj, start=0.01, end=end, tol=0.01, max_run=100)


if __name__ == "__main__":
    serve(domains)
