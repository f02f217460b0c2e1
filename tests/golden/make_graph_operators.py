"""The operators of make_graphs.py on tensors of any kind, by family: names, and what they make of constants.

Only `make_graphs.py` imports this, where TensorFlow is.
"""

import numpy as np
import tensorflow.compat.v1 as tf

raw = tf.raw_ops


def numbers(*shape, seed=0, dtype="f4"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def whole(*values, dtype=tf.int32):
    return tf.constant(values, dtype)


def named(prefix, values):
    """Several outputs of one operator."""
    return [(f"{prefix}_{k}", value) for k, value in enumerate(values)]


def arithmetic():
    x, y = tf.constant(numbers(3, 4)), tf.constant(numbers(4, seed=1))
    inside, large = tf.constant(np.linspace(-0.9, 0.9, 7, dtype="f4")), tf.constant(numbers(5) * 20)
    positive = tf.constant(np.abs(numbers(6)) + 0.1)
    i, j = whole(7, -7, 7, -7, 0), whole(2, 2, -2, -2, 3)
    most = whole(2**31 - 1, -(2**31), 5)
    bits, other = whole(12, -3, 255), whole(10, 6, 15)
    z = tf.complex(x, x + 1)
    for name in (
        "Abs",
        "Cos",
        "Sin",
        "Exp",
        "Neg",
        "Sign",
        "Square",
        "Tanh",
        "Sigmoid",
        "Elu",
        "Selu",
        "Relu",
        "Relu6",
        "Softsign",
        "Erf",
        "Erfc",
        "Floor",
        "Ceil",
        "Rint",
        "Round",
        "Expm1",
        "Sinh",
        "Cosh",
        "Atan",
        "Asinh",
        "Tan",
    ):
        yield name, getattr(raw, name)(**{"features" if name in FEATURES else "x": x})
    for name in ("Acos", "Asin", "Atanh"):
        yield name, getattr(raw, name)(x=inside)
    for name in ("Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal", "Lgamma", "Digamma", "Inv"):
        yield name, getattr(raw, name)(x=positive)
    yield "Acosh", raw.Acosh(x=positive + 1)
    yield "Softplus", raw.Softplus(features=large)
    yield "round_half", tf.round([0.5, 1.5, 2.5, -0.5, -1.5])
    yield "LeakyRelu", raw.LeakyRelu(features=x, alpha=0.3)
    for name in (
        "AddV2",
        "Sub",
        "Mul",
        "RealDiv",
        "Maximum",
        "Minimum",
        "SquaredDifference",
        "FloorDiv",
        "FloorMod",
        "Atan2",
        "DivNoNan",
        "Div",
        "Mod",
        "TruncateMod",
    ):
        yield name, getattr(raw, name)(x=x, y=y)
    for name in ("AddV2", "Sub", "Mul", "FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "Div", "Mod"):
        yield f"{name}_int", getattr(raw, name)(x=i, y=j)
    yield "wraps", most + 1
    yield "wraps_too", most * most
    yield "narrow", tf.constant([250, 3], tf.uint8) + tf.constant([10, 1], tf.uint8)
    yield "Pow", raw.Pow(x=positive, y=tf.constant(numbers(6, seed=2)))
    yield "Pow_int", raw.Pow(x=i, y=whole(0, 1, 2, 3, 4))
    yield "no_nan", raw.DivNoNan(x=[1.0, 0.0, -2.0], y=[0.0, 0.0, 4.0])
    yield "Xdivy", raw.Xdivy(x=[0.0, 1.0, 2.0], y=[0.0, 2.0, 5.0])
    yield "Xlogy", raw.Xlogy(x=[0.0, 1.0, 2.0], y=[0.0, 2.0, 5.0])
    yield "MulNoNan", raw.MulNoNan(x=[np.inf, np.nan, 2.0], y=[0.0, 0.0, 5.0])
    yield "BitwiseAnd", raw.BitwiseAnd(x=bits, y=other)
    yield "BitwiseOr", raw.BitwiseOr(x=bits, y=other)
    yield "BitwiseXor", raw.BitwiseXor(x=bits, y=other)
    yield "Invert", raw.Invert(x=bits)
    yield "LeftShift", raw.LeftShift(x=bits, y=whole(1, 2, 3))
    yield "RightShift", raw.RightShift(x=bits, y=whole(1, 2, 3))
    yield "AddN", tf.add_n([x, x, x * x])
    yield "ClipByValue", tf.clip_by_value(x, -0.3, 0.4)
    yield "clip_norm", tf.clip_by_norm(x, 1.5)
    yield "cast_down", tf.cast([1.9, -1.9, 0.0], tf.int32)
    yield "cast_bool", tf.cast([0.0, -1.0, 2.0], tf.bool)
    yield "cast_half", tf.cast(tf.cast(x, tf.float16), tf.float32)
    yield "cast_narrow", tf.cast(whole(300, -1, 5), tf.uint8)
    yield "Bitcast", tf.bitcast(x, tf.int32)
    yield "Real", tf.real(z)
    yield "Imag", tf.imag(z)
    yield "Conj", tf.conj(z)
    yield "ComplexAbs", tf.abs(z)


FEATURES = {"Elu", "Selu", "Relu", "Relu6", "Softsign"}


def comparison():
    x, y = tf.constant([1.0, 2.0, np.nan, 4.0]), tf.constant([1.0, 3.0, np.nan, 2.0])
    a, b = tf.constant([True, True, False]), tf.constant([True, False, False])
    for name in ("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"):
        yield name, getattr(raw, name)(x=x, y=y)
    yield "LogicalAnd", raw.LogicalAnd(x=a, y=b)
    yield "LogicalOr", raw.LogicalOr(x=a, y=b)
    yield "LogicalNot", raw.LogicalNot(x=a)
    yield "IsNan", raw.IsNan(x=x)
    yield "IsInf", raw.IsInf(x=x)
    yield "IsFinite", raw.IsFinite(x=x)
    yield (
        "Select",
        raw.Select(condition=a, x=tf.constant(numbers(3, 2)), y=tf.constant(numbers(3, 2, seed=1))),
    )
    yield "Select_same", raw.Select(condition=[a, b], x=tf.ones([2, 3]), y=tf.zeros([2, 3]))
    yield "SelectV2", raw.SelectV2(condition=a, t=tf.constant(numbers(2, 3)), e=tf.constant(5.0))
    yield "Where", tf.where(tf.constant([[True, False], [True, True]]))
    yield "text", tf.equal(tf.constant(["a", "b"]), "b")
    yield "ApproximateEqual", raw.ApproximateEqual(x=[1.0, 2.0], y=[1.000001, 2.1])


def linear():
    a, b = tf.constant(numbers(3, 4)), tf.constant(numbers(4, 5, seed=1))
    many, more = tf.constant(numbers(2, 1, 3, 4)), tf.constant(numbers(3, 4, 2, seed=1))
    square = tf.constant(numbers(3, 3))
    yield "MatMul", tf.matmul(a, b)
    yield "MatMul_turned", tf.matmul(b, a, transpose_a=True, transpose_b=True)
    yield "BatchMatMul", tf.matmul(many, more)
    yield "BatchMatMul_adj", tf.matmul(many, tf.transpose(more, [0, 2, 1]), adjoint_b=True)
    yield "BiasAdd", tf.nn.bias_add(a, numbers(4))
    yield "BiasAdd_first", raw.BiasAdd(value=numbers(2, 3, 4, 5), bias=numbers(3), data_format="NCHW")
    yield "Einsum", tf.einsum("nij,njk->nik", tf.constant(numbers(2, 3, 4)), tf.constant(numbers(2, 4, 5)))
    yield "inverse", tf.linalg.inv(square)
    yield "determinant", tf.linalg.det(square)
    q, r = tf.linalg.qr(square)
    yield "qr", tf.matmul(q, r)
    yield "empty", tf.matmul(tf.zeros([2, 0]), tf.zeros([0, 3]))


def reductions():
    x, i = tf.constant(numbers(3, 4, 5)), whole(*range(-7, 5))
    i = tf.reshape(i, [3, 4])
    flags = tf.constant([[True, False], [True, True]])
    for name in ("Sum", "Mean", "Max", "Min", "Prod"):
        op = getattr(raw, name)
        yield name, op(input=x, axis=[1])
        yield f"{name}_kept", op(input=x, axis=[0, -1], keep_dims=True)
        yield f"{name}_none", op(input=x, axis=np.zeros(0, "i4"))
        yield f"{name}_all", op(input=x, axis=[0, 1, 2])
        yield f"{name}_int", op(input=i, axis=[0])
        yield f"{name}_empty", op(input=tf.zeros([0, 3]), axis=[0])
    yield "wraps", raw.Sum(input=whole(2**31 - 1, 1), axis=[0])
    yield "All", raw.All(input=flags, axis=[0])
    yield "Any", raw.Any(input=flags, axis=[1], keep_dims=True)
    yield "EuclideanNorm", raw.EuclideanNorm(input=x, axis=[2])
    yield "ArgMax", tf.argmax(x, 1)
    yield "ArgMin", tf.argmin(x, -1, output_type=tf.int32)
    yield "ArgMax_first", tf.argmax([3.0, 7.0, 7.0, 1.0])
    for exclusive in (False, True):
        for reverse in (False, True):
            yield f"Cumsum_{exclusive}_{reverse}", tf.cumsum(x, 1, exclusive, reverse)
            yield f"Cumprod_{exclusive}_{reverse}", tf.cumprod(x, -1, exclusive, reverse)
    yield "L2Loss", tf.nn.l2_loss(x)
    yield "LogSumExp", tf.reduce_logsumexp(x, 1)
    yield "std", tf.sqrt(tf.nn.moments(x, [0, 1])[1])


def shapes():
    x = tf.constant(numbers(2, 3, 4))
    yield "Shape", tf.shape(x)
    yield "Shape_long", tf.shape(x, out_type=tf.int64)
    yield from named("ShapeN", tf.shape_n([x, x[0]]))
    yield "Size", tf.size(x)
    yield "Rank", tf.rank(x)
    yield "Reshape", raw.Reshape(tensor=x, shape=[4, -1, 3])
    yield "Reshape_none", raw.Reshape(tensor=x[0, 0, :1], shape=np.zeros(0, "i4"))
    yield "Reshape_empty", raw.Reshape(tensor=tf.zeros([0, 4]), shape=[2, -1, 4])
    yield "ExpandDims", tf.expand_dims(x, -2)
    yield "Squeeze", tf.squeeze(x[:1, :, 1:2])
    yield "Squeeze_axis", tf.squeeze(x[:1, :, 1:2], [-1])
    yield "Transpose", tf.transpose(x, [2, 0, 1])
    yield "InvertPermutation", tf.math.invert_permutation([2, 0, 3, 1])
    yield "BroadcastTo", tf.broadcast_to(x[:, :1], [5, 2, 3, 4])
    yield "BroadcastArgs", raw.BroadcastArgs(s0=[3, 1, 2], s1=[4, 1])
    yield "broadcast_axes", raw.BroadcastGradientArgs(s0=[3, 1, 2], s1=[4, 1]).r0


def arrays():
    yield "Range", tf.range(3, 12, 4)
    yield "Range_down", tf.range(5, -3, -3)
    yield "Range_float", tf.range(0.0, 1.0, 0.3)
    yield "Range_none", tf.range(4, tf.size([1, 2]) + 2)
    yield "LinSpace", tf.linspace(-1.0, 2.0, 5)
    yield "Fill", tf.fill([2, 3], 7)
    yield "ZerosLike", tf.zeros_like(whole(1, 2))
    yield "OnesLike", tf.ones_like(tf.constant(numbers(2, 2)))
    yield "OneHot", tf.one_hot([2, 0, -1, 5], 4)
    yield "OneHot_axis", tf.one_hot([[2, 0], [1, 3]], 4, on_value=5, off_value=-1, axis=0)
    yield "OneHot_middle", tf.one_hot([[2, 0, 1], [1, 3, 0]], 4, axis=1)
    yield "Diag", tf.diag([1.0, 2.0, 3.0])
    yield "DiagPart", tf.diag_part(tf.constant(numbers(3, 3)))
    yield "MatrixDiag", tf.matrix_diag(tf.constant(numbers(2, 3)))
    yield "MatrixDiagPart", tf.matrix_diag_part(tf.constant(numbers(2, 3, 3)))
    yield "MatrixSetDiag", raw.MatrixSetDiag(input=numbers(2, 3, 3), diagonal=numbers(2, 3, seed=1))
    yield "MatrixBandPart", tf.matrix_band_part(tf.constant(numbers(2, 4, 5)), 1, -1)
    yield "MatrixBandPart_both", tf.matrix_band_part(tf.constant(numbers(4, 4)), 0, 2)
    yield "repeats", tf.constant(3.0, shape=[2, 3])
    for dtype in (tf.float16, tf.bfloat16, tf.float64, tf.int64, tf.int16, tf.int8, tf.uint8):
        yield f"constant_{dtype.name}", tf.cast(tf.constant([1, 0, 3, 1], dtype), tf.float32)
        yield f"one_{dtype.name}", tf.cast(tf.constant(1, dtype, [2, 2]), tf.float32)
    yield "complex", tf.constant([1 + 2j, 3 - 4j], tf.complex64)
    yield "text", tf.string_join([["a", "b"], "c"], "-")
    yield "mask", tf.sequence_mask([1, 3, 0], 4)


def slicing():
    x = tf.constant(numbers(4, 5, 6))
    yield "Slice", tf.slice(x, [1, 0, 2], [2, -1, 3])
    yield "strided", x[1:3, ::2, -1]
    yield "ellipsis", x[..., 2:5]
    yield "ellipsis_middle", x[1, ..., ::-1]
    yield "ellipsis_last", x[:, 1:3, ...]
    yield "new_axis", x[:, tf.newaxis, 2, tf.newaxis]
    yield "new_axis_after", x[..., tf.newaxis, 1:2]
    yield "negative", x[-3:-1, 4:0:-2]
    yield "beyond", x[2:100, -100:2]
    yield "nothing", x[3:1, 2:2]
    yield "all_backwards", x[::-1, ::-1, ::-3]
    yield "one", x[2, 3, 4]
    yield "last", x[:, -1]
    yield "dynamic", x[: tf.shape(x)[0] - 1, tf.shape(x)[1] - 2 :]
    yield "Pad", tf.pad(x[0], [[1, 2], [0, 3]])
    yield "PadV2", tf.pad(x[0], [[1, 0], [2, 1]], constant_values=-7.0)
    yield "MirrorPad_reflect", tf.pad(x[0], [[2, 3], [1, 4]], "REFLECT")
    yield "MirrorPad_symmetric", tf.pad(x[0], [[5, 3], [1, 6]], "SYMMETRIC")
    yield "ReverseV2", tf.reverse(x, [0, -1])
    yield "Roll", tf.roll(x, [2, -1], [0, 2])
    yield "ReverseSequence", tf.reverse_sequence(x, [3, 0, 5, 1], seq_axis=1, batch_axis=0)
    yield "ReverseSequence_time", tf.reverse_sequence(x, [4, 1, 0, 2, 3], seq_axis=0, batch_axis=1)
    yield "ReverseSequence_last", tf.reverse_sequence(x, [6, 1, 0, 2, 3], seq_axis=2, batch_axis=1)


def joining():
    x, y = tf.constant(numbers(2, 3, 4)), tf.constant(numbers(2, 1, 4, seed=1))
    yield "ConcatV2", tf.concat([x, y, x], 1)
    yield "ConcatV2_last", tf.concat([x, x], -1)
    yield "Concat", raw.Concat(concat_dim=1, values=[x, y])
    yield "concat_none", tf.concat([tf.zeros([0, 3, 4]), x], 0)
    yield from named("ConcatOffset", raw.ConcatOffset(concat_dim=1, shape=[[2, 3, 4], [2, 1, 4], [2, 5, 4]]))
    yield "Pack", tf.stack([x, x + 1], -1)
    yield "Pack_middle", tf.stack([x, x + 1], 1)
    yield from named("Unpack", tf.unstack(x, axis=-2))
    yield from named("Split", tf.split(x, 2, 2))
    yield from named("SplitV", tf.split(x, [1, -1, 1], 2))
    yield "Tile", tf.tile(x, [1, 2, 3])
    yield "Tile_none", tf.tile(x, [2, 0, 1])
    picture = tf.constant(numbers(1, 4, 6, 2))
    blocks = tf.space_to_batch_nd(picture, [2, 3], [[0, 2], [1, 2]])
    yield "SpaceToBatchND", blocks
    yield "BatchToSpaceND", tf.batch_to_space_nd(blocks, [2, 3], [[0, 2], [1, 2]])


def indexing():
    x, deep = tf.constant(numbers(5, 3)), tf.constant(numbers(2, 4, 3, 5))
    yield "Gather", tf.gather(x, [[4, 0], [1, 1]])
    yield "Gather_axis", tf.gather(deep, [3, 0], axis=-1)
    yield "Gather_one", tf.gather(deep, 2, axis=1)
    yield "Gather_batch", tf.gather(deep, [[3, 0, 1], [2, 2, 0]], batch_dims=1, axis=1)
    yield "Gather_batch_far", tf.gather(deep, [[2, 0], [1, 1]], batch_dims=1, axis=2)
    yield "Gather_batch_two", tf.gather(deep, np.arange(8).reshape(2, 4) % 3, batch_dims=2, axis=2)
    yield "OldGather", raw.Gather(params=x, indices=[4, 2])
    yield "GatherNd", tf.gather_nd(deep, [[1, 3], [0, 2]])
    yield "GatherNd_whole", tf.gather_nd(x, [[[4, 0]], [[1, 2]]])
    yield "ScatterNd", tf.scatter_nd([[1], [3], [1]], numbers(3, 2), [5, 2])
    yield "Update", tf.tensor_scatter_nd_update(x, [[1], [3]], numbers(2, 3))
    yield "Add", tf.tensor_scatter_nd_add(x, [[1, 0], [1, 0]], [10.0, 20.0])
    yield from named("DynamicPartition", tf.dynamic_partition(x, [1, 0, 1, 2, 1], 4))
    yield "DynamicStitch", tf.dynamic_stitch([[0, 2], [1, 2]], [numbers(2, 3), numbers(2, 3, seed=1)])
    yield "mask", tf.boolean_mask(x, [True, False, True, True, False])


def sorting():
    x = tf.constant([[3.0, 7.0, 7.0, 1.0, 5.0], [2.0, 2.0, 2.0, 9.0, 0.0]])
    yield from named("TopK", tf.nn.top_k(x, 3))
    yield "InTopK", tf.nn.in_top_k(x, [4, 3], 2)
    yield "InTopK_tie", tf.nn.in_top_k(x, [2, 1], 2)
    yield from named("Unique", tf.unique([7, 3, 7, 1, 3]))
    yield from named("UniqueWithCounts", tf.unique_with_counts([7, 3, 7, 1, 3]))
    yield from named("ListDiff", tf.setdiff1d([7, 3, 7, 1, 4], [3, 4]))
    yield "Bincount", tf.math.bincount([1, 3, 1, 0], minlength=6)


def segments():
    x = tf.constant(numbers(6, 3))
    yield "SegmentSum", tf.segment_sum(x, [0, 0, 2, 2, 2, 3])
    yield "SegmentMean", tf.segment_mean(x, [0, 0, 2, 2, 2, 3])
    yield "UnsortedSegmentSum", tf.unsorted_segment_sum(x, [3, 0, -1, 0, 3, 1], 5)
    yield "SparseSegmentSum", tf.sparse_segment_sum(x, [5, 1, 1], [0, 0, 2])
    yield "SparseSegmentMean", tf.sparse_segment_mean(x, [5, 1, 1], [0, 0, 2])
    yield "SparseSegmentSqrtN", tf.sparse_segment_sqrt_n(x, [5, 1, 1], [0, 0, 2])
    yield "SparseToDense", tf.sparse_to_dense([[0, 1], [2, 0]], [3, 4], [5.0, 6.0], -1.0)
    yield "SparseToDense_one", tf.sparse_to_dense([1, 3], [5], 1.0)


FAMILIES = {
    function.__name__: function
    for function in (
        arithmetic,
        comparison,
        linear,
        reductions,
        shapes,
        arrays,
        slicing,
        joining,
        indexing,
        sorting,
        segments,
    )
}
