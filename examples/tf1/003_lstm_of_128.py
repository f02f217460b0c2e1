"""Tutorial 003: an LSTM of 128 units reads digits; Adam, 800 batches."""

import argparse

import digits
import torch
from torch.nn import functional as F

from unrolled import tf1

# unrolled through 28 time steps
time_steps = 28
# hidden LSTM units
num_units = 128
# rows of 28 pixels
n_input = 28
# learning rate for adam
learning_rate = 0.001
# ten digits
n_classes = 10
batch_size = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="a folder with MNIST's four files")
    parser.add_argument("--steps", type=int, default=800)
    options = parser.parse_args()

    mnist = digits.read(options.data_dir)
    print(mnist.train.images.shape, mnist.train.labels.shape)

    # B10: weights from N(0, 1) gave large logits before anything was learned; Xavier's are of a fitting size.
    out_weights = tf1.glorot_uniform()([num_units, n_classes]).requires_grad_()
    out_bias = tf1.zeros([n_classes]).requires_grad_()
    lstm_layer = tf1.BasicLSTMCell(num_units, forget_bias=1)

    def predict(x):
        # from [batch, time_steps, n_input] to time_steps tensors [batch, n_input]
        steps = x.unbind(1)  # B10: this was called `input`, which hides Python's own
        outputs, _ = tf1.static_rnn(lstm_layer, steps, dtype="float32")
        # the last output [batch, num_units] times [num_units, n_classes]
        return outputs[-1] @ out_weights + out_bias

    def loss_and_accuracy(x, y):
        prediction = predict(x)
        return F.cross_entropy(prediction, y), (prediction.argmax(1) == y.argmax(1)).float().mean()

    opt = tf1.Adam([lstm_layer, out_weights, out_bias], learning_rate)

    for step in range(1, options.steps + 1):  # B10: this was called `iter`
        batch_x, batch_y = (torch.from_numpy(part) for part in mnist.train.next_batch(batch_size=batch_size))
        batch_x = batch_x.reshape(batch_size, time_steps, n_input)
        # B6: measured before the batch is learned from, and not after.
        los, acc = loss_and_accuracy(batch_x, batch_y)
        opt.zero_grad()
        los.backward()
        opt.step()
        if step % 100 == 0:
            print("For step ", step)
            print("Accuracy ", acc.item())
            print("Loss ", los.item())
            print("__________________")

    # B10: all of the test images, and not the first 1,280 of 10,000.
    test_data = torch.from_numpy(mnist.test.images).reshape(-1, time_steps, n_input)
    test_label = torch.from_numpy(mnist.test.labels)
    with torch.no_grad():
        print("Testing Accuracy:", loss_and_accuracy(test_data, test_label)[1].item())


if __name__ == "__main__":
    main()
