"""The models that packages.py times: each a package's own class with random weights, and inputs for it."""

from __future__ import annotations

import argparse
import importlib
import importlib.machinery
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Subject(NamedTuple):
    """A model, and how it is run on its inputs."""

    model: nn.Module
    run: Callable[[nn.Module], Any]


class Row(NamedTuple):
    """A row: the package, None where the model is rebuilt here, its sizes in short, and how it is made."""

    package: str | None
    sizes: str
    build: Callable[[], Subject]


def outputs_of(found: Any) -> list[Tensor]:
    """The tensors of numbers in what a model returns.

    >>> [len(one) for one in outputs_of((torch.zeros(2), [torch.zeros(3), None, torch.tensor([1])]))]
    [2, 3]
    """
    if isinstance(found, Tensor):
        return [found] if found.is_floating_point() else []
    if isinstance(found, list | tuple):
        return [tensor for one in found for tensor in outputs_of(one)]
    return []


class Unused(types.ModuleType):
    """A module that a package imports for what no row runs: all that is asked of it is a class."""

    __path__: list[str] = []  # noqa: RUF012
    __version__ = "0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if f"{self.__name__}.{name}" in sys.modules:
            return sys.modules[f"{self.__name__}.{name}"]
        return type(name, (), {"__init__": lambda self, *_, **__: None})


def without(*names: str) -> None:
    """Do without these modules where they are not installed: compiled things that take gigabytes."""
    for name in names:
        try:
            importlib.import_module(name)
        except (ImportError, OSError):
            module = Unused(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            sys.modules[name] = module


def openunmix() -> Subject:
    without("torchaudio")
    from openunmix.model import OpenUnmix

    x = torch.rand(1, 2, 2049, 255)
    return Subject(OpenUnmix(nb_bins=2049, max_bin=1487), lambda model: model(x))


def resemblyzer(N: int) -> Subject:
    without("webrtcvad")
    from resemblyzer import VoiceEncoder

    x = torch.rand(N, 160, 40)
    return Subject(VoiceEncoder("cpu", verbose=False), lambda model: model(x))


def allosaurus() -> Subject:
    from allosaurus.am.allosaurus_torch import AllosaurusTorchModel

    parser = argparse.ArgumentParser()
    AllosaurusTorchModel.add_args(parser)
    config = parser.parse_args(["--feat_size", "120"])
    config.phone_size, config.lang_size_dict = 230, {}
    x, lengths = torch.randn(1, 300, 120), torch.tensor([300])
    return Subject(AllosaurusTorchModel(config), lambda model: model(x, lengths))


def crdnn() -> Subject:
    without("torchaudio", "torchaudio.transforms")
    from speechbrain.lobes.models.CRDNN import CRDNN
    from speechbrain.nnet.RNN import LSTM

    x = torch.randn(1, 300, 40)
    return Subject(CRDNN(input_shape=[1, 300, 40], rnn_class=LSTM), lambda model: model(x))


def awd_lstm(N: int) -> Subject:
    from fastai.text.models.awdlstm import AWD_LSTM

    words = torch.randint(0, 10_000, (N, 72))
    model = AWD_LSTM(10_000, 400, 1152, 3)

    def run(model: nn.Module) -> Tensor:
        model.reset()
        outputs: Tensor = model(words)
        return outputs

    return Subject(model, run)


def kraken() -> Subject:
    vision = "torchvision", "torchvision.models", "torchvision.transforms"
    without(*vision, "torchvision.transforms.v2", "torchvision.transforms.functional", "coremltools")
    from kraken.configs import VGSLRecognitionTrainingConfig
    from kraken.lib.vgsl import TorchVGSLModel

    spec = VGSLRecognitionTrainingConfig().spec
    model = TorchVGSLModel(vgsl=f"{spec[:-1]} O1c100]")
    x, lengths = torch.rand(1, 1, 120, 1200), torch.tensor([1200])
    return Subject(model.nn, lambda model: model(x, lengths))


class BidirectionalLSTM(nn.Module):
    """crnn.pytorch's: a layer that reads both ways, and a linear one after it."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size, bidirectional=True)
        self.embedding = nn.Linear(2 * hidden_size, output_size)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.embedding(self.rnn(x)[0])
        return outputs


class CRNN(nn.Module):
    """crnn.pytorch's model, which is no package: seven convolutions, then two layers that read both ways."""

    def __init__(self, classes: int = 37, hidden_size: int = 256) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = (1, 64, 128, 256, 256, 512, 512, 512)
        for i in range(7):
            last = i == 6
            layers.append(nn.Conv2d(channels[i], channels[i + 1], 2 if last else 3, 1, 0 if last else 1))
            if i in (2, 4, 6):
                layers.append(nn.BatchNorm2d(channels[i + 1]))
            layers.append(nn.ReLU(inplace=True))
            if i in (0, 1):
                layers.append(nn.MaxPool2d(2, 2))
            if i in (3, 5):
                layers.append(nn.MaxPool2d((2, 2), (2, 1), (0, 1)))
        self.cnn = nn.Sequential(*layers)
        self.rnn = nn.Sequential(
            BidirectionalLSTM(512, hidden_size, hidden_size),
            BidirectionalLSTM(hidden_size, hidden_size, classes),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures [N, 1, 32, width] to what stands where [T, N, classes]."""
        outputs: Tensor = self.rnn(self.cnn(pictures).squeeze(2).permute(2, 0, 1))
        return outputs


def crnn() -> Subject:
    x = torch.rand(1, 1, 32, 100)
    return Subject(CRNN(), lambda model: model(x))


def easyocr() -> Subject:
    without("torchvision", "torchvision.models", "torchvision.transforms")
    from easyocr.model.vgg_model import Model

    x = torch.rand(1, 1, 64, 600)
    return Subject(Model(1, 256, 256, 97), lambda model: model(x, None))


def medaka() -> Subject:
    without("parasail", "mappy", "spoa", "pysam", "edlib", "ont_fast5_api", "ont_fast5_api.fast5_interface")
    from medaka.architectures.gru import GRUModel

    x = torch.rand(1, 1000, 10)
    return Subject(GRUModel(), lambda model: model(x))


class GroupedGRU(nn.Module):
    """DeepFilterNet's, rebuilt: its package asks for a torchaudio of years ago.

    Layers of a GRU for each group of features, the groups shuffled between the layers, the layers' outputs
    added.
    """

    def __init__(self, input_size: int, hidden_size: int, layers: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.grus = nn.ModuleList(
            nn.ModuleList(
                nn.GRU((hidden_size if layer else input_size) // groups, hidden_size // groups)
                for _ in range(groups)
            )
            for layer in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for layer in self.grus:
            if outputs:
                x = x.unflatten(-1, (-1, self.groups)).transpose(2, 3).flatten(2)
            parts = zip(layer, x.chunk(self.groups, -1), strict=True)
            x = torch.cat([gru(part)[0] for gru, part in parts], -1)
            outputs.append(x)
        return torch.stack(outputs).sum(0)


class SqueezedGRU(nn.Module):
    """That of DeepFilterNet 2 and 3, rebuilt: a linear layer for each group of features, then a GRU."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, input_size // groups, hidden_size // groups))
        nn.init.kaiming_uniform_(self.weight)
        self.gru = nn.GRU(hidden_size, hidden_size, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        groups = x.unflatten(-1, self.weight.shape[:2])
        outputs: Tensor = self.gru(torch.einsum("ntgi,gih->ntgh", groups, self.weight).flatten(2).relu())[0]
        return outputs


def grouped() -> Subject:
    x = torch.randn(300, 1, 512)
    return Subject(GroupedGRU(512, 256, layers=3, groups=8), lambda model: model(x))


def squeezed() -> Subject:
    x = torch.randn(1, 300, 512)
    return Subject(SqueezedGRU(512, 256, layers=3, groups=8), lambda model: model(x))


def neuralforecast() -> Subject:
    ray = "ray.tune.integration", "ray.tune.integration.pytorch_lightning", "ray.tune.search"
    without("ray", "ray.tune", *ray, "ray.tune.search.basic_variant", "optuna")
    from neuralforecast.models import GRU

    model = GRU(h=12, input_size=48)
    batch = dict.fromkeys(("futr_exog", "hist_exog", "stat_exog"))
    batch["insample_y"] = torch.randn(128, 48, 1)
    return Subject(model, lambda model: model(batch))


def stanza() -> Subject:
    from stanza.models.common.packed_lstm import PackedLSTM

    x = torch.randn(32, 60, 100)
    lengths = torch.arange(60, 28, -1)
    model = PackedLSTM(100, 200, 2, batch_first=True, bidirectional=True, pad=True)
    return Subject(model, lambda model: model(x, lengths)[0])


ROWS = {
    "openunmix N1": Row("openunmix", "T255, 3 LSTM ⇄ 512 to 256", openunmix),
    "resemblyzer N1": Row("resemblyzer", "T160, 3 LSTM 40 to 256", lambda: resemblyzer(1)),
    "resemblyzer N64": Row("resemblyzer", "T160, 3 LSTM 40 to 256", lambda: resemblyzer(64)),
    "allosaurus N1": Row("allosaurus", "T300, 5 LSTM ⇄ 120 to 320, packed", allosaurus),
    "speechbrain CRDNN N1": Row("speechbrain", "T300, 4 LSTM ⇄ 2560 to 512", crdnn),
    "fastai AWD_LSTM N1": Row("fastai", "T72, LSTM 400, 1152, 1152, 400", lambda: awd_lstm(1)),
    "fastai AWD_LSTM N32": Row("fastai", "T72, LSTM 400, 1152, 1152, 400", lambda: awd_lstm(32)),
    "kraken VGSL N1": Row("kraken", "T150, 3 LSTM ⇄ 960 to 200, packed", kraken),
    "crnn N1": Row(None, "T26, 2 LSTM ⇄ 512 to 256", crnn),
    "easyocr N1": Row("easyocr", "T149, 2 LSTM ⇄ 256 to 256", easyocr),
    "medaka GRU N1": Row("medaka", "T1000, 2 GRU ⇄ 10 to 128", medaka),
    "deepfilternet GroupedGRU N1": Row(None, "T300, 3 × 8 GRU 64 to 32", grouped),
    "deepfilternet SqueezedGRU N1": Row(None, "T300, 3 GRU 256 to 256", squeezed),
    "neuralforecast GRU N128": Row("neuralforecast", "T48, 2 GRU 1 to 200", neuralforecast),
    "stanza PackedLSTM N32": Row("stanza", "T29–60, 2 LSTM ⇄ 100 to 200", stanza),
}
