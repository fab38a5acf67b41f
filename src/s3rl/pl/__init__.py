"""Plots of what is in the slots; nothing is computed but what is drawn."""

from s3rl._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(
    __name__,
    {
        "alignment": "_alignment",
        "chord": "_chord",
        "domains": "_domains",
        "enrich": "_enrich",
        "tf_enrichment": "_tf_enrichment",
        "motif_scan": "_motif_scan",
        "trajectory": "_trajectory",
        "dynamics": "_dynamics",
        "history": "_history",
        "ligrec_dots": "_ligrec_dots",
        "ligrec_heatmap": "_ligrec_heatmap",
        "ligrec_quadrants": "_ligrec_quadrants",
        "radar": "_radar",
        "proportions": "_proportions",
        "prototypes": "_prototypes",
        "slices": "_slices",
        "stack": "_stack",
        "signed_graph": "_signed_graph",
        "denoising": "_denoising",
        "denoising_report": "_denoising_report",
        "tiles": "_tiles",
        "tile_boxes": "_tile_boxes",
        "views": "_views",
        "image_domains": "_image_domains",
        "spatially_variable_genes": "_spatially_variable_genes",
        "metagenes": "_metagenes",
        "gradient": "_gradient",
        "volcano": "_volcano",
        "bulk_correlation": "_bulk_correlation",
        "coexpression": "_coexpression",
    },
)
