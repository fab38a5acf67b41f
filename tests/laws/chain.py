"""The pipeline of the README on small tissue, and what each function of it declares to write.

A row names the function, the stage of the table that it needs, how it is called, and the slots that it changes. A
public function of ``pp``, ``tl`` or ``pl`` without a row fails the laws, unless ``EXCEPTIONS`` says why it has none.
"""

from __future__ import annotations

from laws.areas import communication, deconvolution, denoising, enrichment, genes, structures, trajectory
from laws.row import MODEL, Row

# what is done with the results; an area has its rows, exceptions, and what the tests of malformed input need
AREAS = (communication, trajectory, deconvolution, genes, enrichment, structures, denoising)

EPOCHS = {"max_epochs": 8}


RESULTS = frozenset(
    {
        "obsm/X_s3rl",
        "obsm/s3rl_probabilities",
        "obs/s3rl_domain",
        "obs/s3rl_margin",
        "obs/s3rl_agreement",
        "obs/s3rl_uncertainty",
        "uns/s3rl_domain_colors",
        "layers/s3rl",
        "uns/s3rl",
    }
)

# functions that neither write slots nor draw, and the tests that hold them to their own promises
EXCEPTIONS = {name: reason for area in AREAS for name, reason in area.EXCEPTIONS.items()} | {
    "pp.iter_tiles": "an iterator over pixels: test_slots.py::test_iterating_over_tiles_changes_nothing",
    "pp.crop_slices": "returns a new object: test_crop_slices.py::test_values_and_order_stay",
    "pp.join_slices": "returns a new object: test_join_slices.py::test_inputs_stay_as_they_are_and_share_no_memory",
    "pp.split_slices": "writes into its second argument: test_split_slices.py::"
    "test_every_spot_gets_its_own_results_whatever_the_order",
    "pl.stack": "draws a page, not a figure of matplotlib: test_stack.py::test_the_table_stays_as_it_was",
    "pp.to_spatialdata": "returns a new object: test_slots.py::test_the_conversion_shares_nothing_with_its_input",
}

QUICK = {"epochs": 1, "min_steps": 1}

ROWS = (
    Row(
        "pp.make_tiles",
        "raw",
        {"image_key": "he", "size": 24},
        frozenset({"shapes/he_tiles"}),
        gives="tiled",
        spatial=True,
    ),
    Row(
        "tl.simclr",
        "tiled",
        {"backbone": "test_resnet", "params": QUICK, "progress": False, "device": "cpu"},
        frozenset({"obsm/X_simclr", "uns/simclr"}),
        gives="seen",
        spatial=True,
    ),
    Row(
        "tl.embed_tiles",
        "tiled",
        {"encoder": "test_resnet", "pretrained": False, "progress": False, "device": "cpu", "key_added": "X_random"},
        frozenset({"obsm/X_random", "uns/random"}),
        spatial=True,
    ),
    Row(
        "tl.cluster",
        "seen",
        {"method": "leiden", "use_rep": "X_simclr"},
        frozenset({"obs/simclr_leiden", "uns/simclr_leiden_colors"}),
        gives="grouped",
        case="image",
        spatial=True,
    ),
    Row("pl.tiles", "tiled", {"groupby": "domain", "n_per_group": 2, "show": False}, spatial=True),
    Row("pl.tile_boxes", "tiled", {"show": False}, spatial=True),
    Row("pl.views", "tiled", {"n_tiles": 2, "show": False}, spatial=True),
    Row("pl.image_domains", "grouped", {"reference_key": "domain", "show": False}, spatial=True),
    Row(
        "pp.normalize",
        "raw",
        writes=frozenset({"X", "layers/counts", "var/highly_variable", "uns/log1p"}),
        gives="normalised",
    ),
    Row("tl.contiguity", "normalised", writes=frozenset({"uns/contiguity"})),
    # the tissue is one slice; its layers stand for several
    Row(
        "pp.align_slices",
        "normalised",
        {"library_key": "domain", "overlap": 0.5, "keep_plan": True, "device": "cpu"},
        frozenset({"obsm/spatial_aligned", "uns/spatial_aligned", "obsp/spatial_aligned_plan"}),
        gives="aligned",
    ),
    Row(
        "pp.slice_neighbors",
        "aligned",
        {"library_key": "domain", "n_neighs": 4},
        frozenset({"obsp/spatial_connectivities", "obsp/spatial_distances", "uns/spatial_neighbors"}),
    ),
    Row("pl.alignment", "aligned", {"library_key": "domain", "show": False}),
    Row(
        "pp.signed_neighbors",
        "graph",
        writes=frozenset(
            {
                "obsp/s3rl_connectivities",
                "obsp/s3rl_distances",
                "obsp/s3rl_repulsions",
                "obsp/s3rl_kinds",
                "uns/s3rl_neighbors",
            }
        ),
        gives="signed",
    ),
    Row(
        "tl.s3rl",
        "signed",
        {"n_domains": 4, "params": EPOCHS, "progress": False, "device": "cpu"},
        RESULTS,
        gives="trained",
    ),
    Row(
        "tl.s3rl",
        "signed",
        {"params": EPOCHS, "progress": False, "device": "cpu"},
        RESULTS,
        gives="chosen",
        case="n_domains",
    ),
    Row("tl.transfer", "signed", {"model": MODEL, "device": "cpu"}, RESULTS - {"obs/s3rl_agreement"}),
    Row(
        "tl.cluster",
        "trained",
        {"method": "kmeans", "n_domains": 4},
        frozenset({"obs/s3rl_kmeans", "uns/s3rl_kmeans_colors"}),
        case="kmeans",
    ),
    Row(
        "tl.cluster",
        "trained",
        {"method": "gmm", "n_domains": 4},
        frozenset({"obs/s3rl_gmm", "uns/s3rl_gmm_colors"}),
        case="gmm",
    ),
    Row(
        "tl.cluster",
        "trained",
        {"method": "leiden"},
        frozenset({"obs/s3rl_leiden", "uns/s3rl_leiden_colors"}),
        case="leiden",
    ),
    Row(
        "tl.match_labels",
        "trained",
        {"key": "s3rl_domain", "reference_key": "domain"},
        frozenset({"obs/s3rl_domain_matched", "uns/s3rl_domain_matched_colors", "uns/s3rl_domain_matched_matching"}),
    ),
    Row(
        "tl.slice_mixing",
        "trained",
        {"library_key": "domain", "n_neighs": 10},
        frozenset({"uns/slice_mixing"}),
    ),
    Row("pl.slices", "trained", {"library_key": "domain", "show": False}),
    Row("pl.domains", "trained", {"show": False}),
    Row("pl.uncertainty", "trained", {"show": False}),
    Row("pl.history", "trained", {"show": False}),
    Row("pl.n_domains", "chosen", {"show": False}),
    Row("pl.prototypes", "trained", {"show": False}),
    Row("pl.signed_graph", "signed", {"show": False}),
    Row("pl.denoising", "trained", {"genes": ["GENE1", "GENE2"], "show": False}),
    *(row for area in AREAS for row in area.ROWS),
)
