"""The names of `tf.contrib.cudnn_rnn`: layers that ran with cuDNN, and cells that compute the same."""

from unrolled.tf1.cudnn_rnn.compatible import CudnnCompatibleGRUCell, CudnnCompatibleLSTMCell
from unrolled.tf1.cudnn_rnn.layers import CudnnGRU, CudnnLSTM, CudnnRNNRelu, CudnnRNNTanh

__all__ = [
    "CudnnCompatibleGRUCell",
    "CudnnCompatibleLSTMCell",
    "CudnnGRU",
    "CudnnLSTM",
    "CudnnRNNRelu",
    "CudnnRNNTanh",
]
