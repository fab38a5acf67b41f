"""Novae trained from scratch on the slice, since its pretrained models are downloads."""

import lightning
import novae
from _contract import serve


def domains(adata, n_domains, seed, kind):
    lightning.seed_everything(seed, verbose=False)
    novae.spatial_neighbors(adata, **({"technology": "visium"} if kind == "visium" else {}))
    model = novae.Novae(adata)
    model.fit(enable_progress_bar=False, num_workers=0)
    model.compute_representations(num_workers=0)
    return adata.obs[model.assign_domains(n_domains=n_domains)]


if __name__ == "__main__":
    serve(domains)
