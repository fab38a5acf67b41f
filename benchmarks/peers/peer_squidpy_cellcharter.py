"""squidpy's niches, flavour cellcharter: three hops, mean, and a mixture of the given size."""

import squidpy as sq
from _contract import serve
from peer_squidpy_utag import prepared


def domains(adata, n_domains, seed, kind):
    prepared(adata, kind)
    sq.gr.calculate_niche(adata, flavor="cellcharter", distance=3, n_components=n_domains, random_state=seed)
    return adata.obs["cellcharter_niche"]


if __name__ == "__main__":
    serve(domains)
