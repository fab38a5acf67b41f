"""NichePCA: the example of its README, resolution found by its own search for a number of clusters."""

import nichepca as npc
import scanpy as sc
from _contract import serve


def domains(adata, n_domains, seed, kind):
    npc.wf.nichepca(adata, knn=25, n_comps=min(30, adata.n_vars - 1))
    sc.pp.neighbors(adata, use_rep="X_npca", random_state=seed)
    npc.cl.leiden_with_nclusters(adata, n_domains, random_state=seed)
    return adata.obs["leiden"]


if __name__ == "__main__":
    serve(domains)
