"""The operators of make_graphs.py that networks and their training are made of, by family.

Only `make_graphs.py` imports this, where TensorFlow is.
"""

import numpy as np
import tensorflow.compat.v1 as tf
from make_graph_operators import named, numbers, whole

raw = tf.raw_ops


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
