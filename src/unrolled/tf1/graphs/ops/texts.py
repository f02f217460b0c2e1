"""The little that graphs do with text: names of files, and what summaries and assertions say."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator


@operator("StringJoin")
def join(node: Node, *parts: np.ndarray) -> np.ndarray:
    separator = node.text("separator").encode()
    spread = np.broadcast_arrays(*parts)
    joined = np.empty(spread[0].shape, object)
    joined.reshape(-1)[:] = [
        separator.join(each) for each in zip(*(part.reshape(-1) for part in spread), strict=True)
    ]
    return joined


@operator("AsString")
def as_string(node: Node, x: Tensor) -> np.ndarray:
    texts = np.empty(x.shape, object)
    texts.reshape(-1)[:] = [str(value).encode() for value in x.reshape(-1).tolist()]
    return texts


@operator("ShardedFilename")
def sharded_filename(node: Node, name: np.ndarray, shard: Tensor, shards: Tensor) -> np.ndarray:
    return np.array(b"%s-%05d-of-%05d" % (name.item(), int(shard), int(shards)), object)
