"""What TensorFlow 1 would have drawn, fed and taken off: initial weights, batches and optimizers."""
