"""Who acts: a causal language model, or a small network for control."""
