"""A recurrent translator with attention, the decoding of a READ/WRITE agent (Gu et al. 2016, 1610.00388)."""
