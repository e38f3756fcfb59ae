"""Benchmarks: ratios of contestants that do the same work, in one process and in turns, and proof that they do."""
