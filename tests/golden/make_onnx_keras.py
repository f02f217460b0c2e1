"""Write onnx/keras-*.onnx: models of Keras as tf2onnx exports them, with what they compute.

Run it in an environment of its own, which the tests themselves do not need:

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0 onnx==1.23.2
    tfenv/bin/pip install tf2onnx==1.17.0 --no-deps
    tfenv/bin/python tests/golden/make_onnx_keras.py

Beside NAME.onnx, NAME.npz holds what was fed ("feed NAME") and what came ("fetch NAME").
"""

from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
import tf_keras

np.object, np.bool = object, np.bool_  # names of numpy 1, which tf2onnx uses
FOLDER = Path(__file__).with_name("onnx")
N, T, I, H, K = 3, 7, 5, 6, 4
layers = tf.keras.layers


def models():
    yield "lstm", [layers.LSTM(H), layers.Dense(K)]
    yield (
        "lstm-two-ways",
        [
            layers.Bidirectional(layers.LSTM(H, return_sequences=True)),
            layers.Dense(K, activation="softmax"),
        ],
    )
    yield (
        "lstm-two-layers",
        [
            layers.LSTM(H, return_sequences=True),
            layers.LSTM(H + 1),
            layers.Dense(H, activation="relu"),
            layers.Dense(K, activation="sigmoid"),
        ],
    )
    # Of these tf2onnx writes a loop: of Keras 3 it knows LSTMs alone.
    yield "gru-loop", [layers.GRU(H), layers.Dense(K)]
    yield "rnn-loop", [layers.SimpleRNN(H), layers.Dense(K)]


def models_of_keras_2():
    layers = tf_keras.layers
    yield "gru", [layers.GRU(H), layers.Dense(K, activation="tanh")]
    yield "gru-steps", [layers.GRU(H, return_sequences=True), layers.Dense(K)]
    yield "gru-two-ways", [layers.Bidirectional(layers.GRU(H)), layers.Dense(K)]
    yield "lstm-backward", [layers.LSTM(H, go_backwards=True), layers.Dense(K)]


def main():
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    every = [(tf.keras, "keras", *model) for model in models()]
    every += [(tf_keras, "keras-2", *model) for model in models_of_keras_2()]
    for keras, version, name, stack in every:
        x = keras.Input((None, I))
        y = x
        for layer in stack:
            y = layer(y)
        model = keras.Model(x, y)
        model.set_weights(
            [random.normal(size=value.shape).astype("f4") * 0.4 for value in model.get_weights()]
        )
        signature = [tf.TensorSpec([None, None, I], tf.float32, name="x")]
        function = tf.function(lambda x, model=model: model(x), input_signature=signature)
        proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=17)
        fed = random.normal(size=(N, T, I)).astype("f4")
        (output,) = (entry.name for entry in proto.graph.output)
        path = FOLDER / f"{version}-{name}.onnx"
        onnx.save(proto, path)
        np.savez_compressed(
            path.with_suffix(".npz"), **{"feed x": fed, f"fetch {output}": model(fed).numpy()}
        )
        kinds = sorted({node.op_type for node in proto.graph.node})
        print(f"{path.name}: {path.stat().st_size:,} bytes, {', '.join(kinds)}")


if __name__ == "__main__":
    main()
