"""SEG1 and SEG2 (Oda et al. 2014): a sentence is cut into segments, each of which is translated on its own."""
