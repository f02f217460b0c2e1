"""The operators of make_graphs.py by family: names, and tensors that they make of constants.

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


def convolution():
    x, w = tf.constant(numbers(2, 7, 6, 3)), tf.constant(numbers(3, 2, 3, 4, seed=1))
    for padding in ("SAME", "VALID"):
        yield f"Conv2D_{padding}", tf.nn.conv2d(x, w, [1, 2, 3, 1], padding)
        yield f"dilated_{padding}", tf.nn.conv2d(x, w, 1, padding, dilations=[1, 2, 3, 1])
        depth = tf.constant(numbers(3, 2, 3, 2, seed=2))
        yield f"depthwise_{padding}", tf.nn.depthwise_conv2d(x, depth, [1, 2, 2, 1], padding)
        yield (
            f"transposed_{padding}",
            tf.nn.conv2d_transpose(
                tf.constant(numbers(2, 4, 3, 4)),
                w,
                [2, 7 if padding == "SAME" else 9, 6, 3],
                [1, 2, 2, 1],
                padding,
            ),
        )
        yield f"conv1d_{padding}", tf.nn.conv1d(tf.constant(numbers(2, 9, 3)), numbers(4, 3, 5), 2, padding)
        yield (
            f"Conv3D_{padding}",
            tf.nn.conv3d(numbers(1, 4, 5, 6, 2), numbers(2, 3, 2, 2, 3), [1, 1, 2, 1, 1], padding),
        )
        yield f"atrous_{padding}", tf.nn.atrous_conv2d(x, w, 2, padding)
    yield "explicit", tf.nn.conv2d(x, w, 1, [[0, 0], [2, 1], [0, 3], [0, 0]])
    for align in (False, True):
        yield f"bilinear_{align}", tf.image.resize_bilinear(x, [5, 11], align_corners=align)
        yield f"nearest_{align}", tf.image.resize_nearest_neighbor(x, [5, 11], align_corners=align)
    yield "bilinear_half", tf.image.resize_bilinear(x, [5, 11], half_pixel_centers=True)
    yield "nearest_half", tf.image.resize_nearest_neighbor(x, [5, 11], half_pixel_centers=True)


def pooling():
    x = tf.constant(numbers(2, 7, 6, 3))
    for padding in ("SAME", "VALID"):
        yield f"MaxPool_{padding}", tf.nn.max_pool(x - 9, [1, 3, 2, 1], [1, 2, 2, 1], padding)
        yield f"AvgPool_{padding}", tf.nn.avg_pool(x, [1, 3, 2, 1], [1, 2, 2, 1], padding)
        yield (
            f"MaxPool3D_{padding}",
            tf.nn.max_pool3d(numbers(1, 4, 5, 6, 2), [1, 2, 2, 3, 1], [1, 2, 2, 2, 1], padding),
        )


def normalization():
    x, scale, offset = tf.constant(numbers(2, 3, 4, 5)), numbers(5), numbers(5, seed=1)
    mean, variance = numbers(5, seed=2), np.abs(numbers(5, seed=3)) + 0.1
    yield "inference", tf.nn.fused_batch_norm(x, scale, offset, mean, variance, 0.01, is_training=False)[0]
    yield from named("training", tf.nn.fused_batch_norm(x, scale, offset, epsilon=0.01)[:3])
    yield "batch_normalization", tf.nn.batch_normalization(x, mean, variance, offset, scale, 0.01)
    yield "LRN", tf.nn.lrn(x, 2, 1.5, 0.4, 0.7)
    yield "l2_normalize", tf.nn.l2_normalize(x, 1)


def losses():
    x, labels = tf.constant(numbers(4, 5)), np.abs(numbers(4, 5, seed=1))
    yield "Softmax", tf.nn.softmax(x)
    yield "LogSoftmax", tf.nn.log_softmax(x)
    yield "Softmax_axis", tf.nn.softmax(tf.reshape(x, [2, 2, 5]), 1)
    yield from named("dense", raw.SoftmaxCrossEntropyWithLogits(features=x, labels=labels))
    yield from named("sparse", raw.SparseSoftmaxCrossEntropyWithLogits(features=x, labels=[4, 0, 2, 2]))
    yield "far", tf.nn.softmax_cross_entropy_with_logits(logits=x * 1000, labels=np.eye(5, dtype="f4")[:4])
    yield "sigmoid", tf.nn.sigmoid_cross_entropy_with_logits(logits=x, labels=labels)


def sequences():
    found = tf.SparseTensor([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 1, 0]], whole(1, 2, 3, 4), [2, 2, 2])
    wanted = tf.SparseTensor(
        [[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 1, 0]], whole(2, 1, 2, 5, 4), [2, 2, 3]
    )
    yield "EditDistance", tf.edit_distance(found, wanted)
    yield "EditDistance_whole", tf.edit_distance(found, wanted, normalize=False)


def ctc():
    T, N, C = 9, 4, 5
    x = tf.constant(numbers(T, N, C) * 2)
    lengths = whole(9, 7, 9, 4)
    labels = tf.SparseTensor(
        [[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [3, 0], [3, 1]], whole(1, 1, 3, 2, 0, 0, 3), [4, 3]
    )
    yield "loss", tf.nn.ctc_loss(labels, x, lengths)
    yield from named("gradient", tf.gradients(tf.nn.ctc_loss(labels, x, lengths) * numbers(N, seed=7), x))
    yield "collapsed", tf.nn.ctc_loss(labels, x, lengths, preprocess_collapse_repeated=True)
    places = [[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], *([3, k] for k in range(6))]
    longer = tf.SparseTensor(places, whole(*[1, 2, 3] * 3, 1, 0), [4, 6])
    ignoring = tf.nn.ctc_loss(longer, x, lengths, ignore_longer_outputs_than_inputs=True)
    yield "longer", ignoring
    yield from named("longer_gradient", tf.gradients(ignoring, x))
    for merged in (False, True):
        (found,), total = tf.nn.ctc_greedy_decoder(x, lengths, merge_repeated=merged)
        yield from named(f"greedy_{merged}", [found.indices, found.values, found.dense_shape, total])
        for width, paths in ((1, 1), (4, 3), (30, 5)):
            found, chances = tf.nn.ctc_beam_search_decoder(x, lengths, width, paths, merge_repeated=merged)
            parts = [part for each in found for part in (each.indices, each.values, each.dense_shape)]
            yield from named(f"beam_{merged}_{width}", [*parts, chances])


def recurrent():
    T, N, I, H = 4, 3, 5, 6
    x, c, h = tf.constant(numbers(T, N, I)), numbers(N, H, seed=1), numbers(N, H, seed=2)
    w, b = numbers(I + H, 4 * H, seed=3), numbers(4 * H, seed=4)
    peep = [numbers(H, seed=5 + k) for k in range(3)]
    given = {"cs_prev": c, "h_prev": h, "w": w, "b": b, "wci": peep[0], "wcf": peep[1], "wco": peep[2]}
    for kind in (False, True):
        yield from named(f"cell_{kind}", raw.LSTMBlockCell(x=x[0], use_peephole=kind, cell_clip=0.4, **given))
        block = raw.BlockLSTM(
            seq_len_max=np.int64(3), x=x, use_peephole=kind, cell_clip=-1.0, forget_bias=0.3, **given
        )
        yield from named(f"block_{kind}", [block.cs, block.h, *(each[:3] for each in block)])
        yield from named(
            f"later_{kind}",
            raw.BlockLSTMV2(seq_len_max=np.int64(4), x=x, use_peephole=kind, cell_clip=0.6, **given),
        )
    nothing = raw.BlockLSTM(seq_len_max=np.int64(0), x=x, **given)
    yield from named("nothing", [nothing.cs, nothing.h])
    yield from named(
        "gru",
        raw.GRUBlockCell(
            x=x[0],
            h_prev=h,
            w_ru=numbers(I + H, 2 * H),
            w_c=numbers(I + H, H),
            b_ru=numbers(2 * H),
            b_c=numbers(H),
        ),
    )


def lists():
    x = tf.constant(numbers(3, 4))
    shape = whole(4)
    items = raw.TensorListFromTensor(tensor=x, element_shape=shape)
    yield "stack", raw.TensorListStack(input_handle=items, element_shape=shape, element_dtype=tf.float32)
    more = raw.TensorListPushBack(input_handle=items, tensor=x[1] * 2)
    yield "length", raw.TensorListLength(input_handle=more)
    popped = raw.TensorListPopBack(input_handle=more, element_shape=shape, element_dtype=tf.float32)
    yield "popped", popped.tensor
    yield "left", raw.TensorListLength(input_handle=popped.output_handle)
    reserved = raw.TensorListReserve(element_shape=shape, num_elements=5, element_dtype=tf.float32)
    reserved = raw.TensorListSetItem(input_handle=reserved, index=2, item=x[0])
    yield (
        "reserved",
        raw.TensorListStack(input_handle=reserved, element_shape=shape, element_dtype=tf.float32),
    )
    yield (
        "gathered",
        raw.TensorListGather(
            input_handle=more, indices=[3, 0], element_shape=shape, element_dtype=tf.float32
        ),
    )
    yield (
        "item",
        raw.TensorListGetItem(input_handle=more, index=3, element_shape=shape, element_dtype=tf.float32),
    )
    scattered = raw.TensorListScatterV2(tensor=x, indices=[4, 0, 2], element_shape=shape, num_elements=-1)
    yield (
        "scattered",
        raw.TensorListStack(input_handle=scattered, element_shape=shape, element_dtype=tf.float32),
    )
    yield "resized", raw.TensorListLength(input_handle=raw.TensorListResize(input_handle=more, size=7))


def gradients():
    """What TensorFlow derives: the operators that are gradients of others, and what leads to them."""

    def back(name, y, *xs):
        return named(name, tf.gradients(y, xs, tf.constant(numbers(*y.shape, seed=9))))

    x, far = tf.constant(numbers(2, 7, 6, 3)), tf.constant(numbers(4, 5) * 4)
    for function in (tf.nn.elu, tf.nn.selu, tf.nn.relu6, tf.nn.softsign, tf.nn.leaky_relu):
        yield from back(function.__name__, function(far), far)
    yield from back("part", x[1, 1:-1:2, ..., tf.newaxis, ::-1], x)
    for mode in ("REFLECT", "SYMMETRIC"):
        yield from back(f"mirror_{mode}", tf.pad(far, [[2, 3], [1, 4]], mode), far)
    w, deep = tf.constant(numbers(3, 2, 3, 4, seed=1)), tf.constant(numbers(1, 4, 5, 6, 2))
    for padding in ("SAME", "VALID"):
        y = tf.nn.conv2d(x, w, [1, 2, 3, 1], padding)
        yield from back(f"conv2d_{padding}", y, x, w)
        depth = tf.constant(numbers(3, 2, 3, 2, seed=2))
        y = tf.nn.depthwise_conv2d(x, depth, [1, 2, 2, 1], padding)
        yield from back(f"depthwise_{padding}", y, x, depth)
        cubes = tf.constant(numbers(2, 3, 2, 2, 3))
        y = tf.nn.conv3d(deep, cubes, [1, 1, 2, 1, 1], padding)
        yield from back(f"conv3d_{padding}", y, deep, cubes)
        for pool in (tf.nn.max_pool, tf.nn.avg_pool):
            y = pool(x, [1, 3, 2, 1], [1, 2, 2, 1], padding)
            yield from back(f"{pool.__name__}_{padding}", y, x)
        for pool in (tf.nn.max_pool3d, tf.nn.avg_pool3d):
            y = pool(deep, [1, 2, 2, 3, 1], [1, 2, 2, 2, 1], padding)
            yield from back(f"{pool.__name__}_{padding}", y, deep)
    yield from back("bilinear", tf.image.resize_bilinear(x, [5, 11]), x)
    yield from back("nearest", tf.image.resize_nearest_neighbor(x, [5, 11]), x)
    yield from back("LRN", tf.nn.lrn(x, 2, 1.5, 0.4, 0.7), x)
    scale, offset = tf.constant(numbers(3, seed=3)), tf.constant(numbers(3, seed=4))
    mean, variance = numbers(3, seed=5), np.abs(numbers(3, seed=6)) + 0.1
    y = tf.nn.fused_batch_norm(x, scale, offset, epsilon=0.01)[0]
    yield from back("norm", y, x, scale, offset)
    y = tf.nn.fused_batch_norm(x, scale, offset, mean, variance, 0.01, is_training=False)[0]
    yield from back("norm_of_later", y, x, scale, offset)
    for number, (a, b) in enumerate([([3, 1], [3, 1]), ([3, 1], [1]), ([2, 3], [2, 1]), ([1], [])]):
        whole_b = tf.constant(b, tf.int32)
        yield from named(f"broadcast_{number}", raw.BroadcastGradientArgs(s0=a, s1=whole_b))


def random():
    yield "uniform", tf.random.uniform([3, 4], seed=5)
    yield "normal", tf.random.normal([3, 3], seed=6)
    yield "orthogonal", tf.initializers.orthogonal(seed=3)([4, 4])


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
        convolution,
        pooling,
        normalization,
        losses,
        ctc,
        sequences,
        recurrent,
        lists,
        gradients,
        random,
    )
}
