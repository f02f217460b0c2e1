"""Tutorial 002: the states and the outputs of three LSTM layers, each in a DropoutWrapper."""

import argparse

import digits
import torch
from torch.nn import functional as F

from unrolled import tf1

BATCH_SIZE = 32
HIDDEN_CELL = 256  # the tutorial said that it cannot be set, and must be the width of the input: it is free
LSTM_LAYER = 3
CLASS_NUM = 10

keep_prob = torch.tensor(1.0)  # what was a placeholder: fill_ feeds it


def get_a_cell(i):
    lstm_cell = tf1.BasicLSTMCell(
        num_units=HIDDEN_CELL, forget_bias=1.0, state_is_tuple=True, name=f"layer_{i}"
    )
    print(type(lstm_cell))
    return tf1.DropoutWrapper(cell=lstm_cell, input_keep_prob=1.0, output_keep_prob=keep_prob)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="a folder with MNIST's four files")
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()

    mnist = digits.read(options.data_dir)
    multi_lstm = tf1.MultiRNNCell(cells=[get_a_cell(i) for i in range(LSTM_LAYER)], state_is_tuple=True)
    init_state = multi_lstm.zero_state(BATCH_SIZE, "float32")
    weights = tf1.truncated_normal([HIDDEN_CELL, CLASS_NUM], stddev=0.1).requires_grad_()
    b = tf1.constant(0.1)([CLASS_NUM]).requires_grad_()
    train_op = tf1.Adam([multi_lstm, weights, b], 0.01)

    for _ in range(options.steps):
        x, y = (torch.from_numpy(part) for part in mnist.train.next_batch(BATCH_SIZE))
        outputs, state = tf1.dynamic_rnn(
            multi_lstm, inputs=x.reshape(-1, 28, 28), initial_state=init_state, time_major=False
        )
        for layer in range(LSTM_LAYER):
            print(f"state[{layer}]: c {tuple(state[layer].c.shape)}, h {tuple(state[layer].h.shape)}")

        # B9: the tutorial classified the top layer's state, which its dropout never touches.
        logits = outputs[:, -1, :] @ weights + b
        # B2, B9: log(softmax) can be NaN, and a sum over the batch grows with its size; this is the mean.
        cross_entropy = F.cross_entropy(logits, y)
        train_op.zero_grad()
        cross_entropy.backward()
        train_op.step()

        h_state_2 = state[-1][1]
        print("h_state_2 == outputs[:, -1, :]:", bool((h_state_2 == outputs[:, -1, :]).all()))

    # With dropout that is not so: the output is dropped out, the state is not.
    keep_prob.fill_(0.5)
    with torch.no_grad():
        outputs, state = tf1.dynamic_rnn(multi_lstm, x.reshape(-1, 28, 28), initial_state=init_state)
    print("with keep_prob 0.5:", bool((state[-1].h == outputs[:, -1, :]).any()))


if __name__ == "__main__":
    main()
