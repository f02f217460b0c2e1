"""JAX: jit of lax.scan, with the product with x taken out of the loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.protocol import Array, Problem, Steps

VERSION = f"jax {jax.__version__}"
B1, B2, RATE, EPSILON = 0.9, 0.999, 1e-3, 1e-8


def build(problem: Problem, threads: int) -> Steps:
    x, target = jnp.asarray(problem.x), jnp.asarray(problem.target)
    lengths = None if problem.lengths is None else jnp.asarray(problem.lengths)
    weights = {name: jnp.asarray(value) for name, value in problem.weights.items()}

    def outputs(weights: dict[str, Any]) -> Any:
        numbers = problem._replace(weights=weights)
        y = jnp.swapaxes(x, 0, 1)
        for layer in range(problem.layers):
            ways = [
                scan(problem.cell, numbers.of(layer, way), y, lengths, reverse=bool(way))
                for way in range(problem.directions)
            ]
            y = jnp.concatenate(ways, axis=2)
        return jnp.swapaxes(y, 0, 1)

    def loss(weights: dict[str, Any]) -> Any:
        y = outputs(weights)
        last = y[:, -1] if lengths is None else y[jnp.arange(len(y)), lengths - 1]
        return jnp.mean((last - target) ** 2)

    def adam(weights: Any, moments: Any, squares: Any, count: Any) -> Any:
        gradients = jax.grad(loss)(weights)
        count = count + 1
        moments = jax.tree.map(lambda m, g: B1 * m + (1 - B1) * g, moments, gradients)
        squares = jax.tree.map(lambda v, g: B2 * v + (1 - B2) * g * g, squares, gradients)
        rate = RATE * jnp.sqrt(1 - B2**count) / (1 - B1**count)
        moved = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), weights, moments, squares
        )
        return moved, moments, squares, count

    forward, step = jax.jit(outputs), jax.jit(adam, donate_argnums=(0, 1, 2))
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = jax.tree.map(jnp.array, (weights, zeros, zeros, jnp.float32(0)))

    def train() -> None:
        nonlocal state
        state = jax.block_until_ready(step(*state))

    def gradients() -> dict[str, Array]:
        return {name: np.asarray(value) for name, value in jax.jit(jax.grad(loss))(weights).items()}

    return Steps(
        outputs=lambda: np.asarray(forward(weights)),
        infer=lambda: jax.block_until_ready(forward(weights)),
        gradients=gradients,
        train=train,
    )


def scan(cell: str, w: dict[str, Any], x: Any, lengths: Any, reverse: bool) -> Any:
    """One layer and direction: the outputs [T, N, H] for x [T, N, I]."""
    W, U, b, d = w["weight_ih"], w["weight_hh"], w["bias_ih"], w["bias_hh"]
    H = U.shape[1]
    zero = jnp.zeros((x.shape[1], H))

    def lstm(state: Any, from_x: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(from_x + h @ U.T + d, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def gru(state: Any, from_x: Any) -> Any:
        (h,) = state
        x_r, x_z, x_n = jnp.split(from_x, 3, axis=1)
        h_r, h_z, h_n = jnp.split(h @ U.T + d, 3, axis=1)
        z = jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + jax.nn.sigmoid(x_r + h_r) * h_n)
        return ((1 - z) * n + z * h,)

    def gru_before(state: Any, from_x: Any) -> Any:
        (h,) = state
        x_r, x_z, x_n = jnp.split(from_x, 3, axis=1)
        h_r, h_z = jnp.split(h @ U[: 2 * H].T + d[: 2 * H], 2, axis=1)
        z = jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + (jax.nn.sigmoid(x_r + h_r) * h) @ U[2 * H :].T + d[2 * H :])
        return ((1 - z) * n + z * h,)

    def rnn(state: Any, from_x: Any) -> Any:
        (h,) = state
        return (jnp.tanh(from_x + h @ U.T + d),)

    next_state = {"lstm": lstm, "gru": gru, "gru-before": gru_before, "rnn": rnn}[cell]

    def step(state: Any, now: Any) -> Any:
        t, from_x = now
        new = next_state(state, from_x)
        if lengths is None:
            return new, new[0]
        running = (t < lengths)[:, None]
        kept = tuple(jnp.where(running, n, s) for n, s in zip(new, state, strict=True))
        return kept, jnp.where(running, new[0], 0)

    initial = (zero, zero) if cell == "lstm" else (zero,)
    _, y = jax.lax.scan(step, initial, (jnp.arange(len(x)), x @ W.T + b), reverse=reverse)
    return y
