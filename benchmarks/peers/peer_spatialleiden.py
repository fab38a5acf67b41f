"""SpatialLeiden: its study of DLPFC for arrays of spots, its guide elsewhere; both resolutions searched."""

import scanpy as sc
import spatialleiden as sl
import squidpy as sq
from _contract import serve


def domains(adata, n_domains, seed, kind):
    sc.pp.filter_genes(adata, min_cells=3)
    if kind != "cells":
        sc.pp.highly_variable_genes(adata, flavor="seurat_v3", n_top_genes=3000)
        sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    n_pcs = 30 if kind != "cells" else min(50, adata.n_vars - 1)
    sc.tl.pca(adata, n_comps=n_pcs, random_state=seed)
    sc.pp.neighbors(adata, random_state=seed)
    if kind == "cells":
        sq.gr.spatial_neighbors(adata, coord_type="generic", n_neighs=10)
        adata.obsp["spatial_connectivities"] = sl.distance2connectivity(adata.obsp["spatial_distances"])
        spatial = {"layer_ratio": 1.8, "directed": (False, True)}
    else:
        sq.gr.spatial_neighbors(adata, coord_type="grid", n_neighs=6 if kind == "visium" else 4)
        spatial = {"layer_ratio": 0.8, "directed": (False, False)}
    sl.search_resolution(
        adata, n_domains, latent_kwargs={"random_state": seed}, spatial_kwargs=spatial | {"random_state": seed}
    )
    return adata.obs["spatialleiden"]


if __name__ == "__main__":
    serve(domains)
