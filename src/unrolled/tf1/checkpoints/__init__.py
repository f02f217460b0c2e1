"""TensorFlow 1's checkpoint files: bundles, tables, the V1 format, and the names in them."""
