"""The cells of tensorflow.npz, by the names that TensorFlow and `unrolled.tf1` share.

make_tensorflow.py imports it, too, where there is TensorFlow and no torch.
"""

I, H, P, K = 3, 4, 2, 6


def cells(room):
    """How each case makes its cell, of a module that has TensorFlow 1's names."""
    return {
        "basic-rnn": lambda: room.BasicRNNCell(H),
        "basic-lstm": lambda: room.BasicLSTMCell(H),
        "basic-lstm-forget-bias": lambda: room.BasicLSTMCell(H, forget_bias=0.3),
        "basic-lstm-one-tensor": lambda: room.BasicLSTMCell(H, state_is_tuple=False),
        "lstm-relu": lambda: room.LSTMCell(H, activation="relu"),
        "lstm-peephole": lambda: room.LSTMCell(H, use_peepholes=True),
        "lstm-cell-clip": lambda: room.LSTMCell(H, cell_clip=0.4),
        "lstm-projection": lambda: room.LSTMCell(H, num_proj=P),
        "lstm-projection-clip": lambda: room.LSTMCell(H, num_proj=P, proj_clip=0.2),
        "lstm-every-option": lambda: room.LSTMCell(
            H,
            use_peepholes=True,
            cell_clip=0.4,
            num_proj=P,
            proj_clip=0.2,
            forget_bias=0.3,
            activation="softsign",
        ),
        "gru": lambda: room.GRUCell(H),
        "stack": lambda: room.MultiRNNCell([room.LSTMCell(H), room.GRUCell(K)]),
        "residual": lambda: room.ResidualWrapper(room.LSTMCell(H, num_proj=I)),
    }
