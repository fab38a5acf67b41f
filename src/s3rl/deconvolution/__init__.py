"""Cell types of spots on arrays: contrastive mapping of reference cells, spatially smooth factorisation."""
