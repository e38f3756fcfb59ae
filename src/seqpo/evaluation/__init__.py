"""How good and how late: scores with intervals, paired tests, reports that other tools read, and figures."""
