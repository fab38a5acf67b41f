"""Cost of training: this step beside a straightforward dense one, a whole fit, and how both grow with the spots.

``python benchmarks/training.py`` prints a table and writes ``training.csv`` and ``training.png`` to the folder of
``--output``. Every measurement runs in a fresh process, one after the other; run it on an idle machine.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd

N_DOMAINS = 7
FULL = {
    "slice": (3600, 3000),
    "equal": (500, 3000),
    "grow": (5000, 20_000, 50_000, 100_000),
    "dense": (900, 1800, 3600),
}
QUICK = {"slice": (600, 400), "equal": (300, 400), "grow": (1000, 2000, 4000), "dense": (300, 600)}
EPOCHS_OF_GROWTH = 5
FORMS = ("default", "paper")
_SAME = ("<= 1e-4", lambda value: value <= 1e-4)
GOALS: dict[tuple[str, int], tuple[str, Callable[[float], bool]]] = {
    **{(f"{form}: relative difference of the {what}", 500): _SAME for form in FORMS for what in ("loss", "gradients")},
    ("default: dense / s3rl", 3600): (">= 20", lambda value: value >= 20),
    ("whole default fit", 3600): ("<= 60", lambda value: value <= 60),
    ("s3rl: peak memory of a fit", 50_000): ("< 4", lambda value: value < 4),
}
Row = tuple[str, int, float, str]


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Small sizes, to see that it runs.")
@click.option("--output", default=Path("benchmarks/results"), type=click.Path(path_type=Path), show_default=True)
@click.option("--threads", default=os.cpu_count(), show_default="all cores", help="Of torch, in every measurement.")
@click.option("--only", multiple=True, type=click.Choice(["step", "equal", "fit", "dense", "grow"]), help="Some parts.")
@click.option("--max-spots", default=10**9, hidden=True, help="Leave larger sizes out.")
@click.option("--measure", hidden=True, help="What a fresh process measures, as JSON.")
def main(quick: bool, output: Path, threads: int, only: tuple[str, ...], max_spots: int, measure: str | None) -> None:
    if measure is not None:
        logging.getLogger("s3rl").setLevel(logging.WARNING)
        asked = json.loads(measure)
        click.echo(json.dumps(MEASURES[asked.pop("name")](**asked)))
        return
    table = pd.DataFrame(rows_of(QUICK if quick else FULL, threads, set(only), max_spots))
    output.mkdir(parents=True, exist_ok=True)
    table.to_csv(output / "training.csv", index=False)
    click.echo(table.to_string(index=False, na_rep="", float_format=lambda v: f"{v:.4g}"))
    click.echo(f"wrote {output / 'training.csv'}")
    if table["what"].isin(["s3rl: epoch", "dense: epoch"]).any():
        draw(table, output / "training.png")
        click.echo(f"wrote {output / 'training.png'}")


def rows_of(sizes: dict[str, Any], threads: int, only: set[str], max_spots: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    g = sizes["slice"][1]
    parts = {"equal": rows_equal, "step": rows_step, "fit": rows_fit, "dense": rows_dense, "grow": rows_grow}
    for name, part in parts.items():
        if only and name not in only:
            continue
        for what, n, value, unit in part(sizes, threads, max_spots):
            goal, accepts = GOALS.get((what, n), ("", None)) if sizes is FULL else ("", None)
            row = {"what": what, "n_spots": n, "n_genes": g, "value": value, "unit": unit, "goal": goal}
            rows.append(row | {"reached": "" if accepts is None else accepts(value)})
            click.echo(f"{what}, {n} spots: {value:.4g} {unit}", err=True)
    return rows


def rows_equal(sizes: dict[str, Any], threads: int, _: int) -> Iterator[Row]:
    n, g = sizes["equal"]
    for form in FORMS:
        got = fresh("equality", threads, n=n, g=g, form=form)
        yield f"{form}: relative difference of the loss", n, got["loss"], ""
        yield f"{form}: relative difference of the gradients", n, got["gradients"], ""


def rows_step(sizes: dict[str, Any], threads: int, _: int) -> Iterator[Row]:
    n, g = sizes["slice"]
    for form in FORMS:
        got = fresh("step", threads, n=n, g=g, form=form)
        yield f"{form}: epoch of s3rl", n, got["s3rl"], "s"
        yield f"{form}: epoch of the dense implementation", n, got["dense"], "s"
        yield f"{form}: dense / s3rl", n, got["ratio"], "x"


def rows_fit(sizes: dict[str, Any], threads: int, _: int) -> Iterator[Row]:
    n, g = sizes["slice"]
    got = fresh("fit", threads, n=n, g=g, epochs=None)
    yield "whole default fit", n, got["seconds"], "s"
    yield "whole default fit: epochs", n, got["epochs"], ""
    yield "whole default fit: seconds of the epochs", n, got["epochs"] * got["epoch"], "s"
    yield "whole default fit: peak memory", n, got["peak"], "GB"


def rows_dense(sizes: dict[str, Any], threads: int, max_spots: int) -> Iterator[Row]:
    for n in sizes["dense"]:
        if n <= max_spots:
            got = fresh("dense", threads, n=n, g=sizes["slice"][1])
            yield "dense: epoch", n, got["epoch"], "s"
            yield "dense: peak memory", n, got["peak"], "GB"


def rows_grow(sizes: dict[str, Any], threads: int, max_spots: int) -> Iterator[Row]:
    for n in sizes["grow"]:
        if n <= max_spots:
            got = fresh("fit", threads, n=n, g=sizes["slice"][1], epochs=EPOCHS_OF_GROWTH)
            yield "s3rl: epoch", n, got["epoch"], "s"
            yield "s3rl: peak memory of a fit", n, got["peak"], "GB"
            yield "s3rl: of it before the fit (data and libraries)", n, got["before"], "GB"


def fresh(name: str, threads: int, **asked: Any) -> dict[str, float]:
    """Measure in a process of its own, so that neither memory nor caches of another measurement count."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, str(Path(__file__)), "--measure", json.dumps({"name": name, **asked})]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure_equality(n: int, g: int, form: str) -> dict[str, float]:
    """Loss and gradients of one epoch of both, away from the start, the diffusion at its full precision."""
    from _dense import largest_difference

    both = Both(n, g, form, exact=True)
    mine, theirs = both.loss_of_s3rl(0), both.loss_of_dense(0)
    mine.backward()
    theirs.backward()
    worst, name = largest_difference(both.objective, both.dense)
    return {"loss": abs(mine.item() / theirs.item() - 1), "gradients": worst, "parameter": name}


def measure_step(n: int, g: int, form: str) -> dict[str, float]:
    """Median seconds of an epoch of both, in turn, so that whatever slows the machine slows both."""
    both = Both(n, g, form)
    times: dict[str, list[float]] = {"s3rl": [], "dense": []}
    for turn in range(6):
        for epoch in range(4):
            times["s3rl"].append(timed(lambda e=4 * turn + epoch: both.step_of_s3rl(e)))
        times["dense"].append(timed(lambda e=turn: both.step_of_dense(e)))
    # The first turn fills caches.
    medians = {"s3rl": statistics.median(times["s3rl"][4:]), "dense": statistics.median(times["dense"][1:])}
    return medians | {"ratio": medians["dense"] / medians["s3rl"]}


def measure_dense(n: int, g: int) -> dict[str, float]:
    both = Both(n, g, "default")
    times = [timed(lambda e=epoch: both.step_of_dense(e)) for epoch in range(4)]
    return {"epoch": statistics.median(times[1:]), "peak": peak_memory()}


def measure_fit(n: int, g: int, epochs: int | None) -> dict[str, float]:
    """``s3.tl.s3rl`` on a table: targets, training, denoised layer; ``epochs`` None trains with all defaults."""
    from _synthetic import as_table, tissue

    import s3rl as s3
    from s3rl.fit import loop

    adata = as_table(tissue(n, g))
    before, times, inner = peak_memory(), [], loop._epoch

    def epoch(*args: Any, **kwargs: Any) -> dict[str, float]:
        start = time.perf_counter()
        losses = inner(*args, **kwargs)
        times.append(time.perf_counter() - start)
        return losses

    loop._epoch = epoch
    changes = {} if epochs is None else {"max_epochs": epochs}
    seconds = timed(lambda: s3.tl.s3rl(adata, N_DOMAINS, params=changes, rng=0, device="cpu", progress=False))
    return {
        "seconds": seconds,
        "epoch": statistics.median(times[1:]),
        "epochs": len(times),
        "peak": peak_memory(),
        "before": before,
    }


MEASURES: dict[str, Callable[..., dict[str, Any]]] = {
    "equality": measure_equality,
    "step": measure_step,
    "dense": measure_dense,
    "fit": measure_fit,
}


class Both:
    """The same model, slide and targets for the package and for the dense implementation."""

    def __init__(self, n: int, g: int, form: str, *, exact: bool = False) -> None:
        import torch
        from _dense import DenseData, DenseObjective
        from _synthetic import tissue

        from s3rl.fit.inputs import Slide, gene_weights, targets_of
        from s3rl.fit.loop import new_model
        from s3rl.fit.objective import Objective
        from s3rl.fit.params import S3RLParams
        from s3rl.nn import Diffusion

        data, cpu = tissue(n, g), torch.device("cpu")
        self.params = S3RLParams(n_mixtures=2) if form == "default" else S3RLParams.paper()
        self.slide = Slide.of(data.x, data.attraction, data.spatial, self.params, cpu)
        if exact and self.params.diffusion > 0:
            fine = Diffusion.on(data.spatial, self.params.diffusion, tolerance=1e-6)
            self.slide = dataclasses.replace(self.slide, diffusion=fine)
        graphs = (data.attraction, data.repulsion, data.spatial)
        self.targets = targets_of(data.x, *graphs, N_DOMAINS, self.params, seed=0, device=cpu)
        model = new_model(g, N_DOMAINS, self.params, seed=0)
        if self.params.diffusion > 0:
            model.expression_encoder.gene_weights.copy_(gene_weights(data.x))
        n_anchor = 0 if self.targets.anchor is None else self.targets.anchor.shape[1]
        self.objective = Objective(model, n_anchor, self.params, seed=0)
        with torch.no_grad():
            model.expression_encoder.token.normal_(generator=torch.Generator().manual_seed(0))
        self.dense = DenseObjective(self.objective)
        self.data = DenseData(data.x, *graphs, self.targets, diffusion=self.params.diffusion)
        rate = self.params.learning_rate
        self.optimizers = [torch.optim.Adam(m.parameters(), lr=rate) for m in (self.objective, self.dense)]

    def noise(self, epoch: int) -> Any:
        from s3rl.fit.objective import Noise

        return Noise.draw(self.slide, self.objective.model.head.prototypes, self.params, seed=0, epoch=epoch)

    def loss_of_s3rl(self, epoch: int) -> Any:
        return self.objective.total(self.objective(self.slide, self.targets, self.noise(epoch)))

    def loss_of_dense(self, epoch: int) -> Any:
        noise = self.noise(epoch)
        return self.dense(self.data, noise.masked, noise.kept, noise.prototypes)

    def step_of_s3rl(self, epoch: int) -> None:
        self._step(self.loss_of_s3rl, self.optimizers[0], epoch)

    def step_of_dense(self, epoch: int) -> None:
        self._step(self.loss_of_dense, self.optimizers[1], epoch)

    @staticmethod
    def _step(loss_of: Callable[[int], Any], optimizer: Any, epoch: int) -> None:
        loss = loss_of(epoch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_memory() -> float:
    """Largest resident memory of this process so far, in GB (10^9 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # there ru_maxrss would count the parent too
        line = next(text for text in status.read_text().splitlines() if text.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def draw(table: pd.DataFrame, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    names = (
        {"s3rl: epoch": "s3rl", "dense: epoch": "dense"},
        {"s3rl: peak memory of a fit": "s3rl, whole fit", "dense: peak memory": "dense, epochs alone"},
    )
    for ax, lines, label in zip(axes, names, ("seconds an epoch", "peak memory (GB)"), strict=True):
        for what, name in lines.items():
            part = table[table["what"] == what]
            if len(part):
                ax.loglog(part["n_spots"], part["value"], marker="o", label=name)
        ax.set(xlabel="spots", ylabel=label)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_locator(LogLocator(subs=(2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("{x:g}")
        ax.grid(which="both", alpha=0.2)
        if ax.has_data():
            ax.legend(loc="best")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
