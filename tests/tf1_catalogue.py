"""Every cell and every fused cell of `tf.contrib`, under the names of the golden cases."""

from unrolled import tf1

I, H, P = 3, 6, 2
CLASSES = 7

CELLS = {
    "coupled": lambda: tf1.CoupledInputForgetGateLSTMCell(H),
    "coupled-peephole-projection": lambda: tf1.CoupledInputForgetGateLSTMCell(
        H,
        use_peepholes=True,
        num_proj=P,
        proj_clip=0.2,
        num_unit_shards=2,
        num_proj_shards=4,
        forget_bias=0.3,
    ),
    "coupled-norm": lambda: tf1.CoupledInputForgetGateLSTMCell(
        H, use_peepholes=True, layer_norm=True, state_is_tuple=False
    ),
    "layer-norm-lstm": lambda: tf1.LayerNormLSTMCell(H),
    "layer-norm-lstm-every-option": lambda: tf1.LayerNormLSTMCell(
        H, use_peepholes=True, cell_clip=0.6, num_proj=P, proj_clip=0.5, layer_norm=True, activation="relu"
    ),
    "nas": lambda: tf1.NASCell(H),
    "nas-projection-bias": lambda: tf1.NASCell(H, num_proj=P, use_bias=True),
    "ugrnn": lambda: tf1.UGRNNCell(H, forget_bias=0.3, activation="softsign"),
    "sru": lambda: tf1.SRUCell(H),
    "ind-rnn": lambda: tf1.IndRNNCell(H, activation="relu"),
    "indy-gru": lambda: tf1.IndyGRUCell(H),
    "indy-lstm": lambda: tf1.IndyLSTMCell(H, forget_bias=0.3),
    "input-projection": lambda: tf1.InputProjectionWrapper(tf1.GRUCell(H), 5, activation="relu"),
    "output-projection": lambda: tf1.OutputProjectionWrapper(tf1.BasicLSTMCell(H), P),
    "projections-in-a-stack": lambda: tf1.MultiRNNCell(
        [
            tf1.InputProjectionWrapper(tf1.GRUCell(H), 5),
            tf1.OutputProjectionWrapper(tf1.IndRNNCell(4), P),
        ]
    ),
    "attention-cell": lambda: tf1.AttentionCellWrapper(tf1.BasicLSTMCell(H), attn_length=3),
    "attention-cell-every-option": lambda: tf1.AttentionCellWrapper(
        tf1.GRUCell(H), attn_length=2, attn_size=4, attn_vec_size=5, input_size=2, state_is_tuple=False
    ),
    "device": lambda: tf1.DeviceWrapper(tf1.GRUCell(H), "/cpu:0"),
    "lstm-block": lambda: tf1.LSTMBlockCell(H, forget_bias=0.3),
    "lstm-block-peephole-clip": lambda: tf1.LSTMBlockCell(H, use_peephole=True, cell_clip=0.3),
    "gru-block": lambda: tf1.GRUBlockCell(H),
    "gru-block-v2": lambda: tf1.GRUBlockCellV2(H),
    "cudnn-compatible-lstm": lambda: tf1.cudnn_rnn.CudnnCompatibleLSTMCell(H),
    "cudnn-compatible-gru": lambda: tf1.cudnn_rnn.CudnnCompatibleGRUCell(H),
    "conv-1d": lambda: tf1.Conv1DLSTMCell(
        input_shape=[4, I], output_channels=2, kernel_shape=[3], forget_bias=0.3, name="conv_lstm_cell"
    ),
    "conv-2d": lambda: tf1.ConvLSTMCell(2, [4, 3, I], 2, [3, 2], forget_bias=0.3),
    "conv-3d": lambda: tf1.ConvLSTMCell(3, [4, 3, 2, I], 2, [1, 3, 2], forget_bias=0.3),
    "phased": lambda: tf1.PhasedLSTMCell(H),
    "phased-peephole": lambda: tf1.PhasedLSTMCell(H, use_peepholes=True, leak=0.1),
    "embedding": lambda: tf1.EmbeddingWrapper(tf1.BasicLSTMCell(H), CLASSES, 4),
    "state-saving": lambda: tf1.BasicLSTMCell(H),
    "adaptor": lambda: tf1.GRUCell(H),
    "reversed-tensor": lambda: tf1.GRUCell(H),
    "reversed-list": lambda: tf1.GRUCell(H),
    "lstm-fused": lambda: tf1.LSTMBlockFusedCell(H),
    "lstm-fused-peephole-clip": lambda: tf1.LSTMBlockFusedCell(H, use_peephole=True, cell_clip=0.3),
}
