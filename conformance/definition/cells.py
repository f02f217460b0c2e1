r"""One step of each cell, for one sequence: x [1, I], h [1, H] or [1, P], c [1, H].

Weights by name: W [G H, I], U [G H, H] or [G H, P], the biases b (beside W) and d (beside U) [G H], peepholes
pi, pf, po [H], projection R [P, H]. Gates lie below one another: i, f, g, o of an LSTM, r, z, n of a GRU.

    rnn     h' = φ(W x + b + U h + d)                          φ: tanh or relu

    lstm    i = σ(W_i x + b_i + U_i h + d_i + p_i * c)
            f = σ(W_f x + b_f + U_f h + d_f + p_f * c + forget_bias)
            g = tanh(W_g x + b_g + U_g h + d_g)
            c' = f * c + i * g                                 then clipped to ± cell_clip
            o = σ(W_o x + b_o + U_o h + d_o + p_o * c')
            h' = R (o * tanh(c')), clipped to ± proj_clip      o * tanh(c') without a projection

    gru     r, z = σ(W_k x + b_k + U_k h + d_k)
            n = tanh(W_n x + b_n + r * (U_n h + d_n))          reset "after" the product
            n = tanh(W_n x + b_n + U_n (r * h) + d_n)          reset "before" it
            h' = (1 - z) * n + z * h

References: Elman 1990; Sak et al. 2014, arXiv:1402.1128, section 2, for all of the LSTM but its clips, which
are TensorFlow 1's; Cho et al. 2014, arXiv:1406.1078, section 2.3 (reset before; its z is 1 - z here); reset
after: the form of cuDNN and torch.nn.
"""

from __future__ import annotations

from typing import Any

from conformance.definition.tape import Value, clip, relu, sigmoid, tanh

State = dict[str, Value]
Weights = dict[str, Value]
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
STATE = {"rnn": ("h",), "lstm": ("h", "c"), "gru": ("h",)}


def step(cell: str, options: dict[str, Any], weights: Weights, x: Value, state: State) -> State:
    """The next state; its h is the output."""
    return {"rnn": rnn, "lstm": lstm, "gru": gru}[cell](options, weights, x, state)


def rnn(options: dict[str, Any], w: Weights, x: Value, state: State) -> State:
    φ = {"tanh": tanh, "relu": relu}[options.get("activation", "tanh")]
    return {"h": φ(from_input(w, x) + from_state(w, state["h"]))}


def lstm(options: dict[str, Any], w: Weights, x: Value, state: State) -> State:
    h, c = state["h"], state["c"]
    H = c.shape[1]
    a = from_input(w, x) + from_state(w, h)
    a_i, a_f, a_g, a_o = (a[:, k * H : (k + 1) * H] for k in range(4))
    if "pi" in w:
        a_i, a_f = a_i + w["pi"] * c, a_f + w["pf"] * c
    i, f, g = sigmoid(a_i), sigmoid(a_f + options.get("forget_bias", 0.0)), tanh(a_g)
    c = f * c + i * g
    if "cell_clip" in options:
        c = clip(c, options["cell_clip"])
    if "po" in w:
        a_o = a_o + w["po"] * c
    h = sigmoid(a_o) * tanh(c)
    if "R" in w:
        h = h @ w["R"].T
        if "proj_clip" in options:
            h = clip(h, options["proj_clip"])
    return {"h": h, "c": c}


def gru(options: dict[str, Any], w: Weights, x: Value, state: State) -> State:
    h = state["h"]
    H = h.shape[1]
    x_r, x_z, x_n = (from_input(w, x)[:, k * H : (k + 1) * H] for k in range(3))
    h_r, h_z, h_n = (from_state(w, h)[:, k * H : (k + 1) * H] for k in range(3))
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = tanh(x_n + r * h_n) if options["reset"] == "after" else tanh(x_n + from_state(w, r * h)[:, 2 * H :])
    return {"h": (1.0 - z) * n + z * h}


def from_input(w: Weights, x: Value) -> Value:
    return x @ w["W"].T + w["b"] if "b" in w else x @ w["W"].T


def from_state(w: Weights, h: Value) -> Value:
    return h @ w["U"].T + w["d"] if "d" in w else h @ w["U"].T
