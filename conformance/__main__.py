"""Put the cases to peers: `python -m conformance torch_nn tf1`; all of them without a name.

Each peer's runner starts in its own environment, .venv-conformance-<peer>, which `make conformance` makes;
this library's in the one that runs this. A peer that is not there is told; it is a failure if it was named,
and so is what nobody expected of a peer. With --save what came is written to results.json and to
docs/conformance.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from conformance.case import load
from conformance.check import FAILED
from conformance.page import PAGE, RESULTS, write
from conformance.peer import Peer
from conformance.suite import ask_all, expected_failures, reconcile

ROOT = Path(__file__).parent.parent
PEERS = ("unrolled", "torch_nn", "tf1", "keras3", "flax", "equinox", "onnx_runtime", "mlx")
QUIET = {
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # what runs is small: compiling it is what takes the time
}


def command(peer: str) -> list[str]:
    own = ROOT / f".venv-conformance-{peer.replace('_', '-')}" / "bin" / "python"
    python = sys.executable if peer == "unrolled" else str(own)
    return [python, "-m", f"conformance.{peer}.runner"]


def ask(peer: str, pattern: str) -> dict[str, Any]:
    """What the peer makes of the cases whose names fit, and what was unexpected about it."""
    cases = [case for case in load() if fnmatch(case.name, pattern)]
    if not Path(command(peer)[0]).exists():
        return {"absent": f"no environment .venv-conformance-{peer.replace('_', '-')}: make conformance"}
    found = ask_all(Peer(command(peer), env=QUIET), cases)
    names = {case.name for case in cases}
    expected = [
        entry | {"cases": [name for name in entry["cases"] if pattern == "*" or name in names]}
        for entry in expected_failures(peer)
    ]
    return found | {"news": reconcile(found, expected)}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__.split("\n")[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--cases", default="*", help="those whose names fit, such as 'lengths/*'")
    parser.add_argument("--save", action="store_true", help="write results.json and the page")
    parser.add_argument("--jobs", type=int, default=2, help="how many peers at once")
    options = parser.parse_args(arguments)
    peers = options.peers or list(PEERS)
    if options.save and options.cases != "*":
        parser.error("--save keeps the answers to all cases: leave --cases out")
    if wrong := sorted(set(peers) - set(PEERS)):
        parser.error(f"no peer {', '.join(wrong)}: there are {', '.join(PEERS)}")
    cases = load()
    if not any(fnmatch(case.name, options.cases) for case in cases):
        groups = list(dict.fromkeys(case.group for case in cases))
        parser.error(
            f"no case fits {options.cases!r}: expected such as '{groups[0]}/*', of the groups "
            f"{', '.join(groups)}"
        )
    with ThreadPoolExecutor(options.jobs) as pool:
        found = dict(zip(peers, pool.map(lambda peer: ask(peer, options.cases), peers), strict=True))
    for peer, one in found.items():
        tell(peer, one)
    lacking = {peer for peer in options.peers if "absent" in found[peer]}
    if options.save:
        known = json.loads(RESULTS.read_text())["peers"] if RESULTS.exists() else {}
        for peer, one in found.items():
            if peer not in lacking:
                known[peer] = {key: value for key, value in one.items() if key != "news"}
                known[peer]["date"] = date.today().isoformat()
        results = {"peers": {peer: known[peer] for peer in PEERS if peer in known}}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        PAGE.write_text(write(results, cases), encoding="utf-8")
    return int(bool(lacking) or any(any(one.get("news", {}).values()) for one in found.values()))


def tell(peer: str, one: dict[str, Any]) -> None:
    """One line for the peer, and one for each surprise."""
    if "absent" in one:
        print(f"{peer}: absent: {one['absent']}")
        return
    kinds = [verdict["kind"] for verdict in one["verdicts"].values()]
    print(f"{peer}: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))))
    for title, names in one["news"].items():
        for name in names:
            verdict = one["verdicts"].get(name, {})
            print(
                f"  {title}: {name}" + (f": {verdict['sentence']}" if verdict.get("kind") == FAILED else "")
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
