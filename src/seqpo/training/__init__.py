"""Supervised warm-up, the policy-optimization loop, checkpoints, and the distributed seam."""
