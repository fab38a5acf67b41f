"""``s3rl demo``: simulated tissue through the same pipeline, from a store on disk."""

from __future__ import annotations

from pathlib import Path

from s3rl.cli._folder import is_finished, opened
from s3rl.cli._pipeline import Settings
from s3rl.cli._run import analyse, load_libraries
from s3rl.cli._session import Steps, quiet_process

N_SPOTS = 1800
N_GENES = 1000
N_LAYERS = 6
TRUTH = "domain"
# enough to tell layers apart
IMAGE_EPOCHS = 6


def run_demo(output: Path, *, use_image: bool, seed: int, device: str, overwrite: bool) -> None:
    """Simulate, write, and run the pipeline on what was written.

    Parameters
    ----------
    output
        Folder of tissue and results; one that an earlier demo made is replaced.
    use_image
        Whether features of the image take part.
    seed
        Of the tissue and of the model.
    device
        Where to train.
    overwrite
        Replace what is in the folder, whatever made it.
    """
    from s3rl._slots.store import write_results
    from s3rl.datasets._simulated_cortex import simulated_cortex

    overwrite = overwrite or is_finished(output, "demo")
    settings = Settings(
        n_domains=N_LAYERS,
        reference_key=TRUTH,
        seed=seed,
        device=device,
        use_image=use_image,
        image_epochs=IMAGE_EPOCHS if use_image else None,
    )
    decisive = {"command": "demo", "seed": seed, "use_image": use_image}
    steps = Steps()
    with quiet_process(), opened(output, decisive, overwrite=overwrite, source=None) as folder:
        load_libraries(steps)
        with steps("simulate") as said:
            sdata = simulated_cortex(N_SPOTS, N_GENES, n_layers=N_LAYERS, rng=seed)
            write_results(sdata, folder.tissue, overwrite=True)
            said.append(f"{N_LAYERS} layers, written to {folder.tissue}")
        analyse(folder.tissue, settings, folder, steps, {"command": "demo", "input": str(folder.tissue)})
