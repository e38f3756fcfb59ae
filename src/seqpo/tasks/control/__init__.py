"""Sparse-reward environments, and a bandit to check a trainer with."""
