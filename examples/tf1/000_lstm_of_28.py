"""Tutorial 000: an LSTM of 28 units reads the 28 rows of a digit; RMSProp, batches in file order."""

import argparse

import digits
import numpy as np
import torch
from torch.nn import functional as F

from unrolled import tf1

# configuration
#     O * W + b -> 10 labels for each image, O [? 28], W [28 10], b [10]
#     ^ (O: output 28 vec from 28 vec input)
#     |
#    +-+  +-+       +--+
#    |1|->|2|-> ... |28| time_step_size = 28
#    +-+  +-+       +--+
#     ^    ^    ...  ^
# img1:[28] [28] ... [28]
input_vec_size = lstm_size = 28
time_step_size = 28
batch_size = 128
test_size = 256


def init_weights(shape):
    return tf1.random_normal(shape, stddev=0.01).requires_grad_()


def model(x, w, b, lstm):
    # B12: the comment gave the images a fourth axis; x is [batch, time, input].
    xt = x.permute(1, 0, 2)  # [28, batch, 28]
    xr = xt.reshape(-1, input_vec_size)  # [28 * batch, 28]
    x_split = xr.split(len(x), 0)  # 28 tensors [batch, 28]
    outputs, _states = tf1.static_rnn(lstm, x_split, dtype="float32")
    # B13: several layers are [tf1.BasicLSTMCell(n) for n in sizes]; the tutorial's [lstm] * num_layers is one
    # cell that shares its weights between the layers.
    return outputs[-1] @ w + b


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="a folder with MNIST's four files")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--steps", type=int, help="end an epoch after so many batches")
    options = parser.parse_args()

    # B12: the tutorial's text had lost its capital letters, what it fed to the session, and a shuffle.
    mnist = digits.read(options.data_dir)
    tr_x, tr_y, te_x, te_y = mnist.train.images, mnist.train.labels, mnist.test.images, mnist.test.labels
    tr_x, te_x = tr_x.reshape(-1, 28, 28), te_x.reshape(-1, 28, 28)

    w, b = init_weights([lstm_size, 10]), init_weights([10])
    lstm = tf1.BasicLSTMCell(lstm_size, forget_bias=1.0, state_is_tuple=True)
    optimizer = tf1.RMSProp([lstm, w, b], 0.001, 0.9)

    starts = range(0, len(tr_x), batch_size)[: options.steps]
    ends = range(batch_size, len(tr_x) + 1, batch_size)
    for i in range(options.epochs):
        for start, end in zip(starts, ends, strict=False):  # the rest of less than a batch is left out
            x, y = torch.from_numpy(tr_x[start:end]), torch.from_numpy(tr_y[start:end])
            cost = F.cross_entropy(model(x, w, b, lstm), y)
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()

        test_indices = np.arange(len(te_x))
        np.random.shuffle(test_indices)
        test_indices = test_indices[:test_size]
        with torch.no_grad():
            predicted = model(torch.from_numpy(te_x[test_indices]), w, b, lstm).argmax(1).numpy()
        print(i, np.mean(np.argmax(te_y[test_indices], axis=1) == predicted))


if __name__ == "__main__":
    main()
