"""Train the small problem with a checkpoint, one line for each finished epoch; the process to be killed."""

from __future__ import annotations

import sys

import torch
from fit.problems import small, tissue

from s3rl.fit import loop

EPOCHS, INTERVAL = 40, 4


def run(checkpoint, told=None):
    """Model and history of the run, from its checkpoint where there is one."""
    problem, params = tissue(), small(max_epochs=EPOCHS, checkpoint_interval=INTERVAL, patience=1000)
    slide, targets = problem.slide(params), problem.targets(params)
    inner = loop._epoch

    def epoch(*args, **kwargs):
        losses = inner(*args, **kwargs)
        if told is not None:
            told(kwargs["epoch"])
        return losses

    loop._epoch = epoch
    try:
        return loop.train(
            slide, targets, 3, params, problem.weights(), seed=7, checkpoint=checkpoint, fingerprint="run",
            progress=False,
        )  # fmt: skip
    finally:
        loop._epoch = inner


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(sys.argv[1], lambda epoch: print(epoch, flush=True))  # noqa: T201
