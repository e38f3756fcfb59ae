"""READ/WRITE agents over a frozen translator (Gu et al. 2016, 1610.00388), and all that they are compared with."""
