"""A fitted model on its way to a folder and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from s3rl.errors import ModelError, S3RLError
from s3rl.fit.loop import new_model
from s3rl.fit.model_folder import SavedModel
from s3rl.fit.params import S3RLParams
from s3rl.nn import SeparableAutoencoder

_READOUT = "readout"


@dataclass(frozen=True)
class FittedModel:
    """What ``tl.transfer`` needs of a fit.

    Attributes
    ----------
    network
        In evaluation mode.
    params
        Of the fit.
    genes
        Names of the modelled genes, in the order of the network.
    other_genes
        Names of the genes that are read out by regression.
    loadings
        Read-out of all genes, or of the other genes where the decoder denoises (m, r); or None.
    domains
        Names of the domains, in the order of the prototypes.
    graph_params
        What the signed graph was built with.
    target_sum
        Total of a spot in the expression that the model learned, where it is known.
    """

    network: SeparableAutoencoder
    params: S3RLParams
    genes: list[str]
    other_genes: list[str]
    loadings: Tensor | None
    domains: list[str]
    graph_params: dict[str, Any]
    target_sum: float | None = None

    def saved(self) -> SavedModel:
        """Tensors and description to store."""
        tensors = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        if self.loadings is not None:
            tensors[_READOUT] = self.loadings
        description = {
            "params": self.params.as_dict(),
            "genes": self.genes,
            "other_genes": self.other_genes,
            "domains": self.domains,
            "graph_params": self.graph_params,
            "target_sum": self.target_sum,
        }
        return SavedModel(tensors, description)

    @classmethod
    def of(cls, saved: SavedModel, folder: str) -> FittedModel:
        """Rebuild the network from a loaded folder.

        Raises
        ------
        ModelError
            If the description and the tensors do not belong together.
        """
        try:
            description = saved.description
            params = S3RLParams.of(description["params"])
            tensors = dict(saved.tensors)
            loadings = tensors.pop(_READOUT, None)
            network = new_model(len(description["genes"]), len(description["domains"]), params, seed=0)
            network.load_state_dict(tensors)
            rest: dict[str, Any] = {
                key: [str(n) for n in description[key]] for key in ("genes", "other_genes", "domains")
            }
            rest |= {"graph_params": description["graph_params"], "target_sum": description.get("target_sum")}
            return cls(network.eval(), params, loadings=loadings, **rest)
        except (KeyError, TypeError, RuntimeError, S3RLError) as error:
            raise ModelError(
                "describes no model that this version can build",
                key=f"model {folder!r}",
                found=f"{type(error).__name__}: {error}"[:300],
                fix="train again with s3.tl.s3rl(adata, n_domains, model_dir=...)",
            ) from error

    def to(self, device: torch.device) -> FittedModel:
        """Move the network to a device."""
        self.network.to(device)
        return self

    def expect(self, missing: list[str]) -> Tensor:
        """Let the mean of the fitted slice stand in for missing genes; return which were measured, boolean (g,)."""
        absent = set(missing)
        measured = torch.tensor([gene not in absent for gene in self.genes])
        encoder = self.network.expression_encoder
        encoder.expect(~measured.to(encoder.gene_means.device))
        return measured
