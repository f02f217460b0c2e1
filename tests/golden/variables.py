"""What has variables of TensorFlow's names, beside what TensorFlow computed with numbers of those names."""

import torch

from tests.golden.drawn import draw, draw_variable
from tests.golden.kept import parts
from tests.tolerances import assert_close


def named(holder, scope):
    """The variables of a cell or a scope by their whole names."""
    return {f"{scope}/{key}".removeprefix("/"): value for key, value in holder.variables.items()}


def load(holder, name, scope):
    """Give each variable the numbers that TensorFlow's had in the case of that name."""
    drawn = [draw_variable(f"{name}/{key}", *value.shape) for key, value in named(holder, scope).items()]
    holder.assign(dict(zip(holder.variables, drawn, strict=True)))


def backward(results):
    """Go back from the sum of all results, weighted as in the making of the golden files."""
    sum(
        (result * torch.as_tensor(draw(f"loss/{number}", *result.shape)).to(result)).sum()
        for number, result in enumerate(parts(results))
        if result.dtype.is_floating_point
    ).backward()


def become_gradients(holder):
    """Put its gradient in each parameter's place, so that the variables, made of them, are gradients."""
    with torch.no_grad():
        for parameter in holder.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)


def assert_gradients(gradients, golden, name):
    """TensorFlow's, by the names of x and the variables; those that it has none of are zeros."""
    theirs = {key for key in golden if key.startswith(f"{name}/gradient/")}
    assert theirs
    assert theirs <= {f"{name}/gradient/{key}" for key in gradients}
    for key, gradient in gradients.items():
        expected = golden.get(f"{name}/gradient/{key}")
        if expected is None:  # a bias beside layer norms, which does nothing
            assert gradient is None or not gradient.any()
        else:
            assert_close((torch.zeros(expected.shape) if gradient is None else gradient).float(), expected)


def assert_names(variables, golden, name):
    """TensorFlow's names and shapes."""
    came = [f"{key} {list(value.shape)}" for key, value in variables.items()]
    assert sorted(came) == sorted(map(str, golden[f"{name}/variables"]))
