"""squidpy's niches, flavour utag; resolution searched by bisection, since it has none for a number of niches."""

import scanpy as sc
import squidpy as sq
from _contract import serve

N_STEPS = 20


def prepared(adata, kind):
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    grid = {"visium": 6, "st": 4}
    if kind in grid:
        sq.gr.spatial_neighbors(adata, coord_type="grid", n_neighs=grid[kind])
    else:
        sq.gr.spatial_neighbors(adata, coord_type="generic", delaunay=True)


def domains(adata, n_domains, seed, kind):
    prepared(adata, kind)
    low, high = 0.0, 3.0
    for _ in range(N_STEPS):
        resolution = (low + high) / 2
        sq.gr.calculate_niche(adata, flavor="utag", n_neighbors=15, resolutions=[resolution])
        found = adata.obs.pop(f"utag_niche_res={resolution}")
        if found.nunique() == n_domains:
            break
        low, high = (resolution, high) if found.nunique() < n_domains else (low, resolution)
    return found


if __name__ == "__main__":
    serve(domains)
