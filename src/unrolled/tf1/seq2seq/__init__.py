"""The names of `tf.contrib.seq2seq`: attention, decoders and their helpers."""

from unrolled.tf1.seq2seq.attention import AttentionMechanism, BahdanauAttention, LuongAttention, hardmax
from unrolled.tf1.seq2seq.decoder import BasicDecoder, BasicDecoderOutput, Decoder, dynamic_decode
from unrolled.tf1.seq2seq.helper import (
    CustomHelper,
    GreedyEmbeddingHelper,
    Helper,
    InferenceHelper,
    SampleEmbeddingHelper,
    TrainingHelper,
)
from unrolled.tf1.seq2seq.loss import sequence_loss
from unrolled.tf1.seq2seq.wrapper import AttentionWrapper, AttentionWrapperState

__all__ = [
    "AttentionMechanism",
    "AttentionWrapper",
    "AttentionWrapperState",
    "BahdanauAttention",
    "BasicDecoder",
    "BasicDecoderOutput",
    "CustomHelper",
    "Decoder",
    "GreedyEmbeddingHelper",
    "Helper",
    "InferenceHelper",
    "LuongAttention",
    "SampleEmbeddingHelper",
    "TrainingHelper",
    "dynamic_decode",
    "hardmax",
    "sequence_loss",
]
