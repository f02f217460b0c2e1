"""The maths of the cells for a whole sequence at once: fused kernels for CPUs. README.md says more."""
