"""GraphST: its tutorial on 10x Visium; mclust of 20 principal components, refined over 50 neighbours on Visium."""

import torch
from _contract import serve
from GraphST.GraphST import GraphST
from GraphST.utils import clustering


def domains(adata, n_domains, seed, kind):
    model = GraphST(adata, device=torch.device("cpu"), random_seed=seed)
    model.adj = model.adj.to_sparse()
    trained = model.train()
    clustering(trained, n_domains, radius=50, method="mclust", refinement=kind == "visium")
    return trained.obs["domain"]


if __name__ == "__main__":
    serve(domains)
