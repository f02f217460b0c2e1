"""Tutorial 001: what lengths do to outputs and states, and fourteen networks that read digits row by row."""

import argparse

import digits
import numpy as np
import torch
from torch.nn import functional as F

from unrolled import tf1


def show_lengths():
    np.random.seed(0)
    # normal numbers: 2 sequences, 4 steps, 5 numbers in each
    x = np.random.randn(2, 4, 5)
    # B4: the comment said that the second sequence has 3 steps; it has 1.
    x[1, 1:] = 0
    seq_lengths = [4, 1]

    cell = tf1.BasicLSTMCell(num_units=3, state_is_tuple=True)
    gru = tf1.GRUCell(3)
    # without initial_state there must be a dtype
    outputs, last_states = tf1.dynamic_rnn(cell, x, seq_lengths, dtype="float64")
    gruoutputs, grulast_states = tf1.dynamic_rnn(gru, x, seq_lengths, dtype="float64")

    # B7: the tutorial opened an InteractiveSession and never closed it; there is none to close.
    print("whole sequence:\n", outputs[0].detach())
    print("short sequence:\n", outputs[1].detach())
    # an LSTM's state is (c, h)
    print("state of the LSTM:", len(last_states), "\n", last_states[1].detach())
    print("whole sequence of the GRU:\n", gruoutputs[0].detach())
    print("short sequence of the GRU:\n", gruoutputs[1].detach())
    # a GRU's state is its last output, one row for each of the two sequences
    print("state of the GRU:", len(grulast_states), "\n", grulast_states[1].detach())


# Each network makes its cells once, and returns them and a function from images [N, T, I] to hiddens, with
# time first, or for two directions to what each of them knows at its end.


def static(cell):
    def hiddens(input_x):
        outputs, _states = tf1.static_rnn(cell=cell, inputs=input_x.unbind(1), dtype="float32")
        return outputs

    return [cell], hiddens


def dynamic(cell):
    def hiddens(input_x):
        outputs, _states = tf1.dynamic_rnn(cell=cell, inputs=input_x, dtype="float32")
        return outputs.permute(1, 0, 2)  # time first

    return [cell], hiddens


def single_layer_static_lstm(n_hidden):
    return static(tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0))


def single_layer_static_gru(n_hidden):
    return static(tf1.GRUCell(num_units=n_hidden))


def single_layer_dynamic_lstm(n_hidden):
    return dynamic(tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0))


def single_layer_dynamic_gru(n_hidden):
    return dynamic(tf1.GRUCell(num_units=n_hidden))


def multi_layer_static_lstm(n_hidden):
    return static(tf1.MultiRNNCell(cells=[tf1.LSTMCell(num_units=n_hidden) for _ in range(3)]))


def multi_layer_static_gru(n_hidden):
    return static(tf1.MultiRNNCell(cells=[tf1.GRUCell(num_units=n_hidden) for _ in range(3)]))


def multi_layer_static_mix(n_hidden):
    gru_cell = tf1.GRUCell(num_units=n_hidden * 2)
    lstm_cell = tf1.LSTMCell(num_units=n_hidden)
    return static(tf1.MultiRNNCell(cells=[lstm_cell, gru_cell]))


def multi_layer_dynamic_lstm(n_hidden):
    return dynamic(tf1.MultiRNNCell(cells=[tf1.LSTMCell(num_units=n_hidden) for _ in range(3)]))


def multi_layer_dynamic_gru(n_hidden):
    return dynamic(tf1.MultiRNNCell(cells=[tf1.GRUCell(num_units=n_hidden) for _ in range(3)]))


def multi_layer_dynamic_mix(n_hidden):
    gru_cell = tf1.GRUCell(num_units=n_hidden * 2)
    lstm_cell = tf1.LSTMCell(num_units=n_hidden)
    return dynamic(tf1.MultiRNNCell(cells=[lstm_cell, gru_cell]))


def ends_of(hiddens):
    # B3: beside the last row the backward direction has read that row only, and the tutorial classified
    # hiddens[-1]. What it knows of the whole digit stands beside the first row.
    n_hidden = hiddens[0].shape[1] // 2
    return [torch.cat([hiddens[-1][:, :n_hidden], hiddens[0][:, n_hidden:]], dim=1)]


def single_layer_static_bi_lstm(n_hidden):
    lstm_fw_cell = tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0)
    lstm_bw_cell = tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0)

    def hiddens(input_x):
        hiddens, _fw_state, _bw_state = tf1.static_bidirectional_rnn(
            cell_fw=lstm_fw_cell, cell_bw=lstm_bw_cell, inputs=input_x.unbind(1), dtype="float32"
        )
        return ends_of(hiddens)  # of a list of 28 (?, 256)

    return [lstm_fw_cell, lstm_bw_cell], hiddens


def single_layer_dynamic_bi_lstm(n_hidden):
    lstm_fw_cell = tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0)
    # B1: the tutorial gave this cell the forward cell's name, and then used lstm_bw_cell: a NameError.
    lstm_bw_cell = tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0)

    def hiddens(input_x):
        # B7: the second result is the pair of states, which the tutorial called bw_state.
        hiddens, (_fw_state, _bw_state) = tf1.bidirectional_dynamic_rnn(
            cell_fw=lstm_fw_cell, cell_bw=lstm_bw_cell, inputs=input_x, dtype="float32"
        )
        hiddens = torch.cat(hiddens, dim=2)  # a pair of (?, 28, 128) becomes (?, 28, 256)
        return ends_of(hiddens.permute(1, 0, 2))

    return [lstm_fw_cell, lstm_bw_cell], hiddens


def multi_layer_static_bi_lstm(n_hidden):
    stacked_fw_rnn = [tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0) for _ in range(3)]
    stacked_bw_rnn = [tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0) for _ in range(3)]

    def hiddens(input_x):
        hiddens, _fw_state, _bw_state = tf1.stack_bidirectional_rnn(
            stacked_fw_rnn, stacked_bw_rnn, inputs=input_x.unbind(1), dtype="float32"
        )
        return ends_of(hiddens)

    return [*stacked_fw_rnn, *stacked_bw_rnn], hiddens


def multi_layer_dynamic_bi_lstm(n_hidden):
    stacked_fw_rnn = [tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0) for _ in range(3)]
    stacked_bw_rnn = [tf1.BasicLSTMCell(num_units=n_hidden, forget_bias=1.0) for _ in range(3)]
    # B7: here stood `tf.contrib.rnn.MultiRNNCell` alone on a line, which does nothing.

    def hiddens(input_x):
        hiddens, _fw_state, _bw_state = tf1.stack_bidirectional_dynamic_rnn(
            stacked_fw_rnn, stacked_bw_rnn, inputs=input_x, dtype="float32"
        )
        return ends_of(hiddens.permute(1, 0, 2))

    return [*stacked_fw_rnn, *stacked_bw_rnn], hiddens


NETWORKS = [
    single_layer_static_lstm,
    single_layer_static_gru,
    single_layer_dynamic_lstm,
    single_layer_dynamic_gru,
    multi_layer_static_lstm,
    multi_layer_static_gru,
    multi_layer_static_mix,
    multi_layer_dynamic_lstm,
    multi_layer_dynamic_gru,
    multi_layer_dynamic_mix,
    single_layer_static_bi_lstm,
    single_layer_dynamic_bi_lstm,
    multi_layer_static_bi_lstm,
    multi_layer_dynamic_bi_lstm,
]


def images_and_labels(batch):
    images, labels = batch
    return torch.from_numpy(images).reshape(-1, 28, 28), torch.from_numpy(labels)


def mnist_rnn_classification(flag, data_dir, training_step, test_steps):  # B7: its name was misspelt
    # 1. the data
    mnist = digits.read(data_dir)
    print("Training data shape:", mnist.train.images.shape)
    print("Test data shape:", mnist.test.images.shape)
    print("Validation data shape:", mnist.validation.images.shape)
    print("Training label shape:", mnist.train.labels.shape)

    # 2. the network
    n_hidden = 128
    n_classes = 10
    batch_size = 128
    display_step = 200
    learning_rate = 1e-4
    print(NETWORKS[flag - 1].__name__)
    cells, hiddens = NETWORKS[flag - 1](n_hidden)
    with torch.no_grad():
        features = hiddens(torch.zeros(1, 28, 28))[-1]  # the cells learn their input's width
    print("hidden:", tuple(features.shape))  # B5: (?, 128) or (?, 256); the comment said (128, 128)
    weights = tf1.glorot_uniform()([features.shape[1], n_classes]).requires_grad_()
    biases = tf1.zeros([n_classes]).requires_grad_()

    def cost_and_accuracy(x, y):
        logits = hiddens(x)[-1] @ weights + biases
        # 3. B2: log(softmax(logits)) is NaN where a probability is rounded to 0; this is not.
        cost = F.cross_entropy(logits, y)
        return cost, (logits.argmax(1) == y.argmax(1)).float().mean()

    # 4. training
    train = tf1.Adam([*cells, weights, biases], learning_rate)
    for i in range(training_step):
        cost, _ = cost_and_accuracy(*images_and_labels(mnist.train.next_batch(batch_size=batch_size)))
        train.zero_grad()
        cost.backward()
        train.step()
        if (i + 1) % display_step == 0:
            # B6: the tutorial measured on the batch that it had just learned from.
            with torch.no_grad():
                cost, accuracy = cost_and_accuracy(*images_and_labels(mnist.validation.next_batch(1000)))
            print(f"Step {i + 1}: Validation set accuracy {accuracy},cost {cost}.")

    # B8: the tutorial's copies end before this, without the accuracy of any network.
    test_accuracy_list = []
    for i in range(test_steps):
        with torch.no_grad():
            cost, accuracy = cost_and_accuracy(*images_and_labels(mnist.test.next_batch(batch_size=50)))
        test_accuracy_list.append(accuracy)
        if (i + 1) % 20 == 0:
            print(f"Step {i + 1}: Test set accuracy {accuracy},cost {cost}.")
    print("Test accuracy:", np.mean(test_accuracy_list))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="a folder with MNIST's four files")
    parser.add_argument("--network", type=int, default=1, choices=range(1, 15))
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--test-steps", type=int, default=200)
    options = parser.parse_args()
    show_lengths()
    mnist_rnn_classification(options.network, options.data_dir, options.steps, options.test_steps)


if __name__ == "__main__":
    main()
