"""What weights of fewer bits cost a model of text."""

import math
import re

import pytest
import torch
from torch import nn

from scripts import perplexity

PANGRAMS = "the quick brown fox jumps over the lazy dog\nsphinx of black quartz, judge my vow\n"


def test_a_learnt_text_is_as_foreseeable_with_fewer_bits(tmp_path, capsys):
    text = tmp_path / "text"
    text.write_text(PANGRAMS * 60, encoding="utf-8")
    perplexity.main([str(text), "--hidden", "32", "--steps", "150", "--window", "20", "--rate", "0.02"])
    rows = dict(re.findall(r"^\| (\w+) \| ([\d.]+) \|", capsys.readouterr().out, re.MULTILINE))
    exact = float(rows["float32"])
    assert 1 < exact < 2  # of 29 characters
    assert float(rows["int8"]) == pytest.approx(exact, rel=0.01)
    assert float(rows["bfloat16"]) == pytest.approx(exact, rel=0.01)


class Even(nn.Module):
    """Gives every character the same chance."""

    def forward(self, characters, state=None):
        return torch.zeros(*characters.shape, 7), state


def test_who_knows_nothing_finds_as_many_characters_as_there_are():
    numbers = torch.randint(7, (perplexity.ROWS, 33))
    assert perplexity.perplexity(Even(), numbers, window=10) == pytest.approx(7)


class Successor(nn.Module):
    """Is nearly sure that the next number follows, modulo 5."""

    def forward(self, characters, state=None):
        return 50.0 * nn.functional.one_hot((characters + 1) % 5, 5).float(), state


@pytest.mark.parametrize("window", [4, 7, 1000])
def test_each_character_is_judged_by_the_scores_before_it(window):
    numbers = (torch.arange(25) % 5).expand(perplexity.ROWS, 25)
    assert perplexity.perplexity(Successor(), numbers, window) == pytest.approx(1)
    assert perplexity.perplexity(Successor(), numbers.flip(1), window) > math.e


def test_a_text_that_is_too_short_is_one_line(tmp_path):
    text = tmp_path / "text"
    text.write_text("short", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"^the text has 5 characters, expected 640 at least$"):
        perplexity.main([str(text)])


def test_the_last_tenth_is_not_learnt():
    learnt, held_out = perplexity.split(torch.arange(6400))
    assert set(learnt.flatten().tolist()) == set(range(5760))
    assert set(held_out.flatten().tolist()) == set(range(5760, 6400))
