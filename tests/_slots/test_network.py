"""Networks and families from frames, dictionaries and files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from s3rl import errors
from s3rl._slots.network import families_of, network_of

FRAME = pd.DataFrame({"source": ["A", "A", "B"], "target": ["g1", "g2", "g1"], "weight": [1.0, -1.0, 0.5]})


def test_frames_and_files_are_the_same(tmp_path):
    FRAME.to_csv(tmp_path / "n.csv", index=False)
    FRAME.assign(note="x").to_csv(tmp_path / "n.tsv", index=False, sep="\t")
    for given in (FRAME, tmp_path / "n.csv", str(tmp_path / "n.tsv")):
        pd.testing.assert_frame_equal(network_of(given), FRAME)
    assert list(network_of(FRAME[["target", "source"]]).columns) == ["source", "target"]
    assert len(network_of(pd.concat([FRAME, FRAME]))) == 3


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (FRAME.rename(columns={"source": "tf"}), errors.InputError),
        (FRAME[:0], errors.InputError),
        (FRAME.assign(target=["g1", None, "g2"]), errors.InputError),
        (FRAME.assign(weight=["1", "strong", "2"]), errors.InputError),
        (FRAME.assign(weight=[1, np.inf, 2]), errors.InputError),
        ("nowhere.csv", errors.StoreError),
        ({"A": ["g1"]}, errors.ParameterError),
        (None, errors.ParameterError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_network(given, kind):
    with pytest.raises(kind, match="network") as caught:
        network_of(given)
    assert caught.value.fix


def test_families(tmp_path):
    frame = pd.DataFrame({"tf": ["A", "B", "C"], "group": ["x", "y", None]})
    frame.to_csv(tmp_path / "f.tsv", index=False, sep="\t")
    for given in (frame, tmp_path / "f.tsv", {"A": "x", "B": "y"}):
        assert families_of(given) == {"A": "x", "B": "y"}
    with pytest.raises(errors.InputError, match="two families"):
        families_of(pd.DataFrame({"tf": ["A", "A"], "family": ["x", "y"]}))
    with pytest.raises(errors.InputError, match="two columns"):
        families_of(FRAME)
    with pytest.raises(errors.ParameterError, match="empty"):
        families_of({})
    with pytest.raises(errors.ParameterError, match="families"):
        families_of(3)
