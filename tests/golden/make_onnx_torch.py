"""Write onnx/torch-*.onnx: models of torch.nn as PyTorch exports them, with what they compute.

Both exporters are used, the one that traces (TorchScript) and the one that captures (dynamo). Run it where
torch, onnx and onnxscript are:

    python tests/golden/make_onnx_torch.py

Beside NAME.onnx, NAME.npz holds what was fed ("feed NAME"), what came ("fetch NAME") and the weights of the
recurrent layers ("weight LAYER.NAME").
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

FOLDER = Path(__file__).with_name("onnx")
N, T, I, H, K = 3, 7, 5, 6, 4
FREE = {0: "batch", 1: "time"}


class LastStep(nn.Module):
    """A recurrent layer and a classifier of its last output."""

    def __init__(self, layer, width):
        super().__init__()
        self.layer = layer
        self.dense = nn.Linear(width, K)

    def forward(self, x):
        y, _ = self.layer(x)
        return self.dense(y[:, -1])


class EveryStep(LastStep):
    """A classifier of each step."""

    def forward(self, x):
        y, _ = self.layer(x)
        return torch.log_softmax(self.dense(torch.relu(y)), -1)


class Mean(LastStep):
    """A classifier of the mean of all outputs, with a normalisation before it."""

    def __init__(self, layer, width):
        super().__init__(layer, width)
        self.norm = nn.LayerNorm(width)
        self.embed = nn.Embedding(11, I)

    def forward(self, tokens):
        y, _ = self.layer(self.embed(tokens))
        return torch.softmax(self.dense(self.norm(y.mean(1))), -1)


class States(nn.Module):
    """Initial states go in, and final ones come out."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, h, c):
        y, (h, c) = self.layer(x, (h, c))
        return y, h, c


def models():
    yield "lstm", LastStep(nn.LSTM(I, H, batch_first=True), H)
    yield "gru-two-ways", LastStep(nn.GRU(I, H, batch_first=True, bidirectional=True), 2 * H)
    yield "rnn-relu", EveryStep(nn.RNN(I, H, batch_first=True, nonlinearity="relu"), H)
    yield (
        "lstm-two-layers-two-ways",
        EveryStep(nn.LSTM(I, H, num_layers=2, batch_first=True, bidirectional=True), 2 * H),
    )
    yield "gru-two-layers-no-bias", Mean(nn.GRU(I, H, num_layers=2, batch_first=True, bias=False), H)
    yield "rnn-two-ways", LastStep(nn.RNN(I, H, batch_first=True, bidirectional=True), 2 * H)
    yield "lstm-states", States(nn.LSTM(I, H, num_layers=2, bidirectional=True))


def fed(name, model):
    if isinstance(model, Mean):
        return {"tokens": torch.randint(11, (N, T))}, {"tokens": FREE}
    if isinstance(model, States):
        state = torch.randn(4, N, H)
        axes = {"x": {0: "time", 1: "batch"}, "h": {1: "batch"}, "c": {1: "batch"}}
        return {"x": torch.randn(T, N, I), "h": state, "c": state.flip(0) * 0.5}, axes
    return {"x": torch.randn(N, T, I)}, {"x": FREE}


def main():
    FOLDER.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    for number, (name, model) in enumerate(models()):
        torch.manual_seed(number)
        model.eval()
        feeds, axes = fed(name, model)
        with torch.no_grad():
            came = model(*feeds.values())
        outputs = ["y", "h_n", "c_n"] if isinstance(model, States) else ["y"]
        kept = {f"feed {key}": value.numpy() for key, value in feeds.items()}
        fetched = came if isinstance(came, tuple) else (came,)
        kept |= {f"fetch {key}": value.numpy() for key, value in zip(outputs, fetched, strict=True)}
        kept |= {f"weight {key}": value.detach().numpy() for key, value in model.layer.named_parameters()}
        for exporter in ("traced", "captured"):
            if exporter == "captured" and isinstance(model.layer, nn.RNN):
                continue  # it has no plain RNN: it writes as many steps as the example has
            path = FOLDER / f"torch-{exporter}-{name}.onnx"
            common = {"input_names": list(feeds), "output_names": outputs}
            if exporter == "traced":
                torch.onnx.export(
                    model, tuple(feeds.values()), path, dynamo=False, dynamic_axes=axes, opset_version=17,
                    **common,
                )  # fmt: skip
            else:
                dims = {key: dict.fromkeys(axes[key], torch.export.Dim.AUTO) for key in feeds}
                torch.onnx.export(
                    model, tuple(feeds.values()), path, dynamo=True, dynamic_shapes=dims,
                    external_data=False, verbose=False, **common,
                )  # fmt: skip
                slim = onnx.load(path)
                for node in slim.graph.node:
                    node.ClearField("metadata_props")  # where each stood in a Python file
                    node.ClearField("doc_string")
                for entry in (*slim.graph.value_info, *slim.graph.input, *slim.graph.output, slim.graph):
                    entry.ClearField("metadata_props")
                for entry in slim.graph.initializer:
                    entry.ClearField("metadata_props")
                slim.ClearField("metadata_props")
                onnx.save(slim, path)
            np.savez_compressed(path.with_suffix(".npz"), **kept)
            kinds = sorted({node.op_type for node in onnx.load(path).graph.node})
            print(f"{path.name}: {path.stat().st_size:,} bytes, {', '.join(kinds)}")


if __name__ == "__main__":
    main()
