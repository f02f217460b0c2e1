"""Measure what runs that read digits answer and refuse: the tables of docs/reading-digits.md.

    python scripts/refusals.py runs/fast-1 --fonts fonts --data-dir mnist

prints of each run the calibration on MNIST's test digits, what is refused of them, of letters, numbers and
scenes, see `probes`, and how it reads digits in handwriting fonts. Refused is what the reader of pictures
cannot make a digit of, what is unlike the training's digits, and what the network is not sure of.
"""

from __future__ import annotations

import argparse
import string
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import probes
import torch
from torch import Tensor

from unrolled import training
from unrolled.data import Examples, load
from unrolled.data.digit import as_mnist
from unrolled.errors import UnrolledError
from unrolled.training.calibration import expected_calibration_error
from unrolled.training.judge import Judge, Judgement


def read(pictures: Iterable[tuple[str, probes.Grey]]) -> tuple[list[str], Tensor, Counter[str]]:
    """The kind of each picture that can be read, the digits [N, 28, 28], and how many of a kind cannot be."""
    kinds, digits, unread = [], [], Counter[str]()
    for kind, picture in pictures:
        try:
            digits.append(torch.from_numpy(as_mnist(picture)))
            kinds.append(kind)
        except UnrolledError:
            unread[kind] += 1
    return kinds, torch.stack(digits), unread


def judged(run: training.Run, digits: Tensor) -> Judgement:
    """What a run says of digits [N, 28, 28]."""
    examples = Examples(digits, torch.zeros(len(digits), dtype=torch.int64))
    return Judge.of(run).judge(run.load_network(), examples)


def about_digits(run: training.Run, digits: Tensor, labels: Tensor) -> None:
    """Accuracy, calibration and false refusals."""
    judge, found = Judge.of(run), judged(run, digits)
    own = (found.probabilities.log() * judge.temperature).softmax(dim=1)
    right = found.probabilities.argmax(dim=1) == labels
    answered = torch.tensor([status == "answered" for status in found.statuses])
    counts = Counter(found.statuses)
    print(f"temperature {judge.temperature:.3f}, from {judge.held_out:,} examples that were held out")
    for name, probabilities in (("before", own), ("after", found.probabilities)):
        print(f"expected calibration error {name} {expected_calibration_error(probabilities, labels):.2%}")
    print(f"accuracy {right.float().mean():.2%}, of what is answered {right[answered].float().mean():.2%}")
    for status in ("unlike the training data", "not sure"):
        print(f"{status} {counts[status] / len(labels):.2%} of {len(labels):,} true digits")


def about_others(
    run: training.Run, name: str, pictures: tuple[list[str], Tensor, Counter[str]]
) -> Counter[str]:
    """What is refused, by kind; the counts of all kinds together."""
    kinds, digits, unread = pictures
    refused = Counter(
        kind for kind, status in zip(kinds, judged(run, digits).statuses, strict=True) if status != "answered"
    )
    refused += unread
    total = Counter(kinds) + unread
    parts = ", ".join(f"{kind} {refused[kind]} of {total[kind]}" for kind in total) if len(total) > 1 else ""
    share = refused.total() / total.total()
    print(
        f"{name}: refused {refused.total()} of {total.total()}, {share:.1%}"
        + (f" ({parts})" if parts else "")
    )
    return Counter(refused=refused.total(), all=total.total())


def about_fonts(run: training.Run, pictures: tuple[list[str], Tensor, Counter[str]]) -> None:
    """How digits in handwriting fonts are read."""
    named, digits, _ = pictures
    truth = torch.tensor([int(name.split()[1]) for name in named])
    found = judged(run, digits)
    best, second = found.probabilities.topk(2).indices.T
    wrong = best != truth
    refused = sum(status != "answered" for status in found.statuses)
    print(f"digits in handwriting fonts: {int((~wrong).sum())} of {len(truth)} right, {refused} refused")
    print(f"  the runner-up is right in {int((second == truth)[wrong].sum())} of {int(wrong.sum())} errors:")
    for row in wrong.nonzero().flatten().tolist():
        print(f"  {named[row]} read as {best[row]}, then {second[row]}: {found.statuses[row]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--fonts", type=Path, required=True, help="a folder with the fonts, unpacked")
    parser.add_argument("--data-dir", help="of MNIST")
    options = parser.parse_args()

    test = load("mnist", options.data_dir).test
    assert isinstance(test.sequences, Tensor)
    digits = test.sequences.numpy()
    fonts = options.fonts
    counted = {
        "letters A-Z": read((font, picture) for font, _, picture in probes.letters(fonts)),
        "two-digit numbers in fonts": read(("numbers", picture) for _, picture in probes.font_numbers(fonts)),
        "scenes": read(probes.scenes()),
    }
    beside = {
        "letters a-z": read(
            (font, picture) for font, _, picture in probes.letters(fonts, string.ascii_lowercase)
        ),
        "pairs of MNIST's digits": read(("pairs", picture) for picture in probes.pairs(digits[5000:], 45)),
        "true digits as pictures": read(("digits", probes.paper(digit)) for digit in digits[::100]),
    }
    in_fonts = read((f"{font} {digit}", picture) for font, digit, picture in probes.font_digits(fonts))
    for folder in options.runs:
        run = training.Run.open(folder)
        print(f"\n{folder}")
        about_digits(run, test.sequences, test.labels)
        total = Counter[str]()
        for name, pictures in counted.items():
            total += about_others(run, name, pictures)
        print(
            f"together: refused {total['refused']} of {total['all']}, {total['refused'] / total['all']:.1%}"
        )
        for name, pictures in beside.items():
            about_others(run, name, pictures)
        about_fonts(run, in_fonts)


if __name__ == "__main__":
    main()
