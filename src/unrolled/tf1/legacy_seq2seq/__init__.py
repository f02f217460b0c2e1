"""The names of `tf.contrib.legacy_seq2seq`: encoders and decoders on lists of steps."""

from unrolled.tf1.legacy_seq2seq.attention import attention_decoder, embedding_attention_decoder
from unrolled.tf1.legacy_seq2seq.decoders import embedding_rnn_decoder, rnn_decoder
from unrolled.tf1.legacy_seq2seq.losses import model_with_buckets, sequence_loss, sequence_loss_by_example
from unrolled.tf1.legacy_seq2seq.models import (
    basic_rnn_seq2seq,
    embedding_attention_seq2seq,
    embedding_rnn_seq2seq,
    embedding_tied_rnn_seq2seq,
    tied_rnn_seq2seq,
)

__all__ = [
    "attention_decoder",
    "basic_rnn_seq2seq",
    "embedding_attention_decoder",
    "embedding_attention_seq2seq",
    "embedding_rnn_decoder",
    "embedding_rnn_seq2seq",
    "embedding_tied_rnn_seq2seq",
    "model_with_buckets",
    "rnn_decoder",
    "sequence_loss",
    "sequence_loss_by_example",
    "tied_rnn_seq2seq",
]
