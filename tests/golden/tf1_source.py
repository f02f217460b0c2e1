"""The modules of TensorFlow 1.15's contrib, from a copy of its source, on the TensorFlow that is there.

Only their Python files are read, each as it is. What they import and TensorFlow 2 has no more is replaced
here: the layer normalisation, by TensorFlow's own operations, and the scope of a compiler, by nothing.
"""

import contextlib
import importlib.util
import os
import sys
import types
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import ops
from tensorflow.python.ops import array_ops, array_ops_stack, control_flow_ops
from tensorflow.python.util import nest

tf.disable_v2_behavior()
ops.Tensor = tf.Tensor
control_flow_ops.cond, control_flow_ops.while_loop = tf.cond, tf.while_loop
nest.is_sequence = nest.is_nested
array_ops.stack, array_ops.unstack = array_ops_stack.stack, array_ops_stack.unstack

MODULES = [
    "rnn/python/ops/core_rnn_cell",
    "rnn/python/ops/rnn_cell",
    "rnn/python/ops/fused_rnn_cell",
    "rnn/python/ops/lstm_ops",
    "rnn/python/ops/gru_ops",
    "cudnn_rnn/python/ops/cudnn_rnn_ops",
    "legacy_seq2seq/python/ops/seq2seq",
    "seq2seq/python/ops/decoder",
    "seq2seq/python/ops/sampler",
    "seq2seq/python/ops/helper",
    "seq2seq/python/ops/attention_wrapper",
    "seq2seq/python/ops/basic_decoder",
    "seq2seq/python/ops/loss",
]


def layer_norm(inputs, reuse, scope):
    with tf.variable_scope(scope, reuse=reuse):
        gamma, beta = (tf.get_variable(name, inputs.shape[-1:], inputs.dtype) for name in ("gamma", "beta"))
    mean, variance = tf.nn.moments(inputs, [1], keepdims=True)
    return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)


def stand_in(name, **contents):
    """A module of that name, with the packages above it."""
    parts = name.split(".")
    for count in range(2, len(parts) + 1):
        path = ".".join(parts[:count])
        if path not in sys.modules:
            module = sys.modules[path] = types.ModuleType(path)
            module.__path__ = []
            setattr(sys.modules[".".join(parts[: count - 1])], parts[count - 1], module)
    sys.modules[name].__dict__.update(contents)


def load(source):
    """The modules in the order above, by the last parts of their names."""
    sys.modules.setdefault("tensorflow", importlib.import_module("tensorflow"))
    stand_in("tensorflow.contrib.compiler.jit", experimental_jit_scope=contextlib.nullcontext)
    stand_in("tensorflow.contrib.checkpoint.python", split_dependency=None)
    stand_in("tensorflow.python.training.tracking", tracking=types.SimpleNamespace(NotTrackable=object))
    stand_in(
        "tensorflow.contrib.framework.python.framework",
        tensor_util=types.SimpleNamespace(with_same_shape=lambda old, new: new),
    )
    stand_in("tensorflow.contrib.layers.python.layers.layers", layer_norm=layer_norm)
    found = {}
    for path in MODULES:
        name = "tensorflow.contrib." + path.replace("/", ".")
        stand_in(name)
        spec = importlib.util.spec_from_file_location(name, Path(source, "tensorflow/contrib", f"{path}.py"))
        module = importlib.util.module_from_spec(spec)
        module.__dict__.update(vars(sys.modules[name]) | module.__dict__)
        sys.modules[name] = module
        package, _, last = name.rpartition(".")
        setattr(sys.modules[package], last, module)
        spec.loader.exec_module(module)
        found[last] = module
    return types.SimpleNamespace(**found)
