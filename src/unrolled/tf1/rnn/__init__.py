"""TensorFlow 1's cells, wrappers and loops, under their own names."""
