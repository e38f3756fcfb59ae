"""seqpo inside other trainers: one module for each, which alone imports that library."""
