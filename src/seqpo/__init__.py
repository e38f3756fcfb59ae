"""seqpo: sequence-level policy optimization."""

__version__ = "0.1.0"
