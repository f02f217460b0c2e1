"""The digits that the tutorials read: MNIST where it is, and else the few that come with the package."""

from unrolled import data, tf1
from unrolled.data.mnist import SAMPLE
from unrolled.errors import UnrolledError


def read(data_dir=None):
    """MNIST's three parts, from data_dir or from where `unrolled.data` keeps them; or the sample's."""
    try:
        files = data.locate("mnist", data_dir)
    except UnrolledError as error:
        raise SystemExit(
            f"{error}; or leave out --data-dir for the digits that come with the package"
        ) from None
    if files:
        return tf1.read_data_sets(files[0].parent, one_hot=True)
    print(
        "MNIST is not here (--data-dir FOLDER): 4,000 of its digits that come with the package, in its place"
    )
    return tf1.read_data_sets(SAMPLE, one_hot=True, validation_size=1000)
