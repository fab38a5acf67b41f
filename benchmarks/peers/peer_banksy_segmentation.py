"""BANKSY with the weight for domain segmentation (lambda 0.8) on arrays of spots too."""

from _contract import serve
from peer_banksy import STARMAP, segmented


def domains(adata, n_domains, seed, kind):
    return segmented(adata, n_domains, seed, **STARMAP)


if __name__ == "__main__":
    serve(domains)
