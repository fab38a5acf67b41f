"""Train in the processes that torchrun starts, and write what each of them ends with."""

import sys
from pathlib import Path

import numpy as np
import torch
from fit.tile_problems import stripes, train

from s3rl.fit.distributed import team_of

SETTINGS = {"epochs": 3, "batch_size": 12}

if __name__ == "__main__":
    torch.set_num_threads(1)
    with team_of("cpu") as team:
        # normalises layers, not batches: a process sees what one alone would
        encoder, history = train(stripes()[0], team=team, backbone="test_vit", **SETTINGS)
        values = np.concatenate([value.numpy().ravel() for value in encoder.state_dict().values()])
        np.savez(Path(sys.argv[1]) / f"rank{team.rank}.npz", values=values, loss=history["loss"], size=team.size)
