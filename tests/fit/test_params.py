from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3rl.errors import ParameterError
from s3rl.fit.params import S3RLParams

NAMES = [field.name for field in dataclasses.fields(S3RLParams)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_hidden", 0), ("n_latent", 2.0), ("n_heads", True), ("n_mixtures", "3"), ("max_epochs", -1),
        ("patience", None), ("checkpoint_interval", 0), ("diffusion", -0.1), ("diffusion", float("nan")),
        ("topology", float("inf")), ("separability", "1"), ("consensus", -1), ("anchor", None), ("cosine_power", 0.9),
        ("temperature", 0.0), ("learning_rate", 0), ("weight_decay", -1e-9), ("prototype_noise", -1),
        ("mask_rate", 1.0), ("edge_drop_rate", -0.1), ("size_prior", "uneven"), ("denoise", True),
        ("linear_output", "yes"), ("linear_embedding", None), ("use_image", 2), ("mask_rate", [0.1]),
        ("size_prior", ["equal"]),
    ],
)  # fmt: skip
def test_a_value_out_of_range_names_itself(name, value):
    with pytest.raises(ParameterError, match=f"params.{name}") as caught:
        S3RLParams(**{name: value})
    assert repr(value) in str(caught.value)


def test_every_field_is_checked():
    class Odd:
        def __eq__(self, other):
            return False

        __hash__ = None

    for name in NAMES:
        with pytest.raises(ParameterError, match=f"params.{name}"):
            S3RLParams(**{name: Odd()})


def test_frozen_and_by_name_only():
    params = S3RLParams()
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.n_hidden = 3
    with pytest.raises(TypeError):
        S3RLParams(64)


def test_of_takes_nothing_a_mapping_or_params():
    params = S3RLParams(n_latent=5)
    assert S3RLParams.of(None) == S3RLParams()
    assert S3RLParams.of(params) is params
    assert S3RLParams.of({"n_latent": 5}) == params
    for bad in (5, "paper", [("n_latent", 5)]):
        with pytest.raises(ParameterError, match="neither S3RLParams nor a mapping"):
            S3RLParams.of(bad)
    with pytest.raises(ParameterError, match="n_latnt") as caught:
        S3RLParams.of({"n_latnt": 5})
    assert "n_latent" in str(caught.value)


@given(n_latent=st.integers(1, 500), mask_rate=st.floats(0, 0.99), linear_output=st.booleans())
def test_a_record_reads_back(n_latent, mask_rate, linear_output):
    params = S3RLParams(n_latent=n_latent, mask_rate=mask_rate, linear_output=linear_output)
    stored = params.as_dict()
    assert list(stored) == NAMES
    assert S3RLParams.of(json.loads(json.dumps(stored))) == params


def test_the_form_of_the_paper_and_its_ablations():
    full = S3RLParams.paper()
    assert (full.size_prior, full.linear_output, full.linear_embedding) == ("equal", False, False)
    assert (full.diffusion, full.anchor, full.consensus) == (0, 0, 0)
    assert full.max_epochs == 2000
    forms = {name: S3RLParams.paper(name) for name in (None, "S3RL-1", "S3RL-2", "S3RL-3")}
    switches = {name: (form.prototype_noise > 0, form.use_image) for name, form in forms.items()}
    assert switches == {None: (True, True), "S3RL-1": (False, True), "S3RL-2": (True, False), "S3RL-3": (False, False)}
    for form in forms.values():
        same = dataclasses.replace(form, prototype_noise=full.prototype_noise, use_image=full.use_image)
        assert same == full
    with pytest.raises(ParameterError, match="S3RL-9"):
        S3RLParams.paper("S3RL-9")
