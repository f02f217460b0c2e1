"""The maths of the cells for a whole sequence at once: fused kernels for CPUs. See README.md in this folder."""
