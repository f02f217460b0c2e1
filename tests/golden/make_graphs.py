"""Write graphs.zip: graphs of TensorFlow 1 with what they compute, for test_graphs.py to run and to compare.

Run it in an environment of its own, which the tests themselves do not need:

    python3 -m venv tfenv
    tfenv/bin/pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    tfenv/bin/python tests/golden/make_graphs.py

Each graph is a folder: `graph.pb`, or `model.ckpt.*` with its .meta, or a SavedModel; and `results.npz`, with
what was fed ("feed NAME"), what was fetched of it ("fetch NAME") and the gradients of the first fetch's sum
("gradient NAME", of what was fed and of variables). Programs are in `make_graph_programs.py`, operators in
`make_graph_operators.py` and `make_network_operators.py`.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # the cells of TensorFlow 1 live in the old Keras

import tensorflow.compat.v1 as tf

sys.path.insert(0, str(Path(__file__).parent))
import make_graph_operators
import make_network_operators
from make_graph_programs import BOTH, LATER, OLD, fetch_and_keep, saved_model_of_later

FAMILIES = make_graph_operators.FAMILIES | make_network_operators.FAMILIES
PINNED = (2024, 1, 1, 0, 0, 0)  # of all files in the archive: the same graphs are the same bytes


def operators(name):
    def make(folder):
        fetches = [tf.identity(value, name) for name, value in FAMILIES[name]()]
        fetch_and_keep(folder, fetches, {}, variables=False)

    return make


def make_all(folder):
    for later in (False, True):
        (tf.enable_control_flow_v2 if later else tf.disable_control_flow_v2)()
        (tf.enable_resource_variables if later else tf.disable_resource_variables)()
        for name, make in (BOTH | (LATER if later else OLD)).items():
            name += "-later" if later and name in BOTH else ""
            with tf.Graph().as_default():
                make(folder / name)
    saved_model_of_later(folder / "saved-model-later")
    tf.disable_control_flow_v2()
    tf.disable_resource_variables()
    for name in FAMILIES:
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            operators(name)(folder / f"ops-{name}")


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_all(folder)
        archive = Path(__file__).with_name("graphs.zip")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    entry = zipfile.ZipInfo(str(path.relative_to(folder)), PINNED)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    file.writestr(entry, path.read_bytes())
        print(f"{archive}: {archive.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
