"""A recurrent translator with attention, the environment of a READ/WRITE agent (Gu et al. 2016, 1610.00388)."""
