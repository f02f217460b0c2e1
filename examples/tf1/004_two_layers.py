"""Tutorial 004: LSTMs of 32 and 64 units on top of one another; Adam, 10 epochs, and the weights saved."""

import argparse
from pathlib import Path

import digits
import torch
from torch import nn
from torch.nn import functional as F

from unrolled import tf1

# With one_hot a batch of labels is [batch_size, num_classes] (B11: not [batch_size, num_batches]) of floats,
# without it [batch_size] of whole numbers.
num_classes = 10
batch_size = 64
hidden_dim1 = 32
hidden_dim2 = 64
embedding_dim = 28
time_step = 28

# B11: the tutorial's text had lost pieces of its lines; they are filled in here.
#
# dynamic_rnn returns outputs [batch_size, time_step, output_dim] and states. The outputs with time first, and
# of them the last, are [batch_size, output_dim]: what the cell knows of each sequence after its last step.
# B11: the output after the first step has the index 0, and not 1.
#
# The states are those after the last step of each sequence, for a stack one for each layer. An LSTM's has two
# parts, c and h, and the h of the top layer is the last output: states[1][1] == outputs.permute(1, 0, 2)[-1].


class RNNModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = tf1.MultiRNNCell(
            [tf1.BasicLSTMCell(num_units=hidden_dim1), tf1.BasicLSTMCell(num_units=hidden_dim2)]
        )
        # B10: the tutorial drew these from N(0, 1).
        self.weights = nn.Parameter(tf1.glorot_uniform()([hidden_dim2, num_classes]))
        self.biases = nn.Parameter(tf1.zeros([num_classes]))

    def forward(self, xs):
        rnn_input = xs.reshape(-1, time_step, embedding_dim)
        # B11: the tutorial's zero_state(batch_size) fixed the size of a batch; zeros of this dtype fit any.
        outputs, _states = tf1.dynamic_rnn(self.cells, rnn_input, dtype="float32")
        rnn_output = outputs.permute(1, 0, 2)[-1]  # [batch, hidden_dim2]
        return rnn_output @ self.weights + self.biases


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="a folder with MNIST's four files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, help="end an epoch after so many batches")
    parser.add_argument("--weights", type=Path, default=Path("checkpoints/rnn_mnist.pt"))
    options = parser.parse_args()

    mnist = digits.read(options.data_dir)
    test_xs, test_ys = torch.from_numpy(mnist.test.images), torch.from_numpy(mnist.test.labels)
    model = RNNModel()
    optimizer = tf1.Adam(model, 0.01)
    num_batches = options.steps or mnist.train.num_examples // batch_size
    for epoch in range(options.epochs):
        epoch_loss = 0.0
        for _ in range(num_batches):
            batch_x, batch_y = (torch.from_numpy(part) for part in mnist.train.next_batch(batch_size))
            loss = F.cross_entropy(model(batch_x), batch_y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()

        # B11: the accuracy on all of the test images, and not on one batch of 64.
        with torch.no_grad():
            acc = (model(test_xs).argmax(1) == test_ys.argmax(1)).float().mean()
        loss_value = epoch_loss / num_batches
        print(f"After {epoch + 1} epoch,loss value is {loss_value:f} ,and accuracy is {acc.item():f} ")

    options.weights.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), options.weights)


if __name__ == "__main__":
    main()
