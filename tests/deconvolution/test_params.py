"""Parameters of deconvolution check themselves."""

from __future__ import annotations

import pytest

from s3rl.deconvolution.params import DeconvolveParams
from s3rl.errors import ParameterError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_cells", 0), ("n_genes", 1), ("unit", "spots"), ("contrast", -0.1), ("temperature", 0), ("phi", 1.0),
        ("phi", "high"), ("noise", "none"), ("denoise", "no"), ("n_steps", 2.5), ("gene_effects", "yes"),
    ],
)  # fmt: skip
def test_values_out_of_range(name, value):
    with pytest.raises(ParameterError) as caught:
        DeconvolveParams(**{name: value})
    assert caught.value.key == f"params.{name}"


def test_phi_is_given_or_chosen():
    assert DeconvolveParams().phi is None
    assert DeconvolveParams(phi=0.0).phi == 0.0
