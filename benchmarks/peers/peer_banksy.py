"""BANKSY: the notebook on DLPFC for Visium, the one on STARmap (domain segmentation) elsewhere."""

from _contract import serve
from banksy.cluster_methods import run_Leiden_partition
from banksy.embed_banksy import generate_banksy_matrix
from banksy.initialize_banksy import initialize_banksy
from banksy_utils.filter_utils import filter_hvg, normalize_total
from banksy_utils.umap_pca import pca_umap

DLPFC = {"k_geom": 6, "max_m": 0, "mixing": 0.2}
STARMAP = {"k_geom": 15, "max_m": 1, "mixing": 0.8}
N_GENES = 2000
N_PCS = 20


def domains(adata, n_domains, seed, kind):
    return segmented(adata, n_domains, seed, **(DLPFC if kind == "visium" else STARMAP))


def segmented(adata, n_domains, seed, *, k_geom, max_m, mixing):
    adata.obs["x"], adata.obs["y"] = adata.obsm["spatial"].T
    adata = normalize_total(adata)
    if adata.n_vars > N_GENES:
        adata = filter_hvg(adata, N_GENES, flavor="seurat")[0].copy()
    plots = dict.fromkeys(["plt_edge_hist", "plt_nbr_weights", "plt_agf_angles", "plt_theta"], False)
    graphs = initialize_banksy(
        adata, ("x", "y", "spatial"), k_geom, nbr_weight_decay="scaled_gaussian", max_m=max_m, **plots
    )
    graphs, _ = generate_banksy_matrix(adata, graphs, [mixing], max_m, verbose=False)
    pca_umap(graphs, pca_dims=[N_PCS], plt_remaining_var=False, add_umap=False)
    found, _ = run_Leiden_partition(
        graphs, [], num_nn=50, num_iterations=-1, partition_seed=seed, match_labels=False, max_labels=n_domains
    )
    return found["labels"].iloc[0].dense


if __name__ == "__main__":
    serve(domains)
