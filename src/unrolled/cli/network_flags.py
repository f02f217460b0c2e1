"""The options that describe a network in a few words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli import completion

if TYPE_CHECKING:
    from unrolled.networks.config import NetworkConfig


@dataclasses.dataclass(frozen=True)
class NetworkFlags:
    """A network from the command line: see `unrolled.networks.Description`."""

    cell: Annotated[
        str | None,
        typer.Option(
            help="Of every layer: lstm, gru or rnn; by default the recipe's.",
            show_default=False,
            autocompletion=completion.one_of(completion.cells),
        ),
    ] = None
    hidden: Annotated[int | None, typer.Option(help="The width of every layer.", show_default=False)] = None
    layers: Annotated[int | None, typer.Option(help="How many layers.", show_default=False)] = None
    bidirectional: Annotated[
        bool | None, typer.Option(help="Read in both directions, or not.", show_default=False)
    ] = None
    dropout: Annotated[
        float | None,
        typer.Option(help="The share of each layer's output dropped in training.", show_default=False),
    ] = None
    layer_norm: Annotated[
        bool | None, typer.Option(help="Normalise the gates of LSTMs.", show_default=False)
    ] = None

    @property
    def describes(self) -> bool:
        """Whether anything is said of a network."""
        return any(getattr(self, field.name) is not None for field in dataclasses.fields(NetworkFlags))

    def described(self, config: NetworkConfig) -> NetworkConfig:
        """The network that is described, as far as nothing is said that of `config`."""
        from unrolled.networks.described import Description

        if not self.describes:
            return config
        said = {field.name: getattr(self, field.name) for field in dataclasses.fields(NetworkFlags)}
        return Description(**said).of(config)
