"""Strike a service in every way that is known, and see that its well-behaved clients notice nothing.

    python scripts/serve_hostile.py --minutes 30
    python scripts/serve_hostile.py --minutes 1 --strike frames --strike tokens

`unrolled serve` runs in a process of its own. Well-behaved clients step sessions over WebSockets and HTTP and
ask for predictions; every number that they get must be, bit for bit, what an undisturbed network says.
Beside them, in another process and from other addresses, attackers do what `attacks/service` has, in random
order. It fails if an answer is wrong or missing or takes longer than --late, if a strike ends otherwise than
it must, if there is a status of 500, or a 503 that does not say when to come again, if the log has a
traceback, if memory or open files grow in five minutes or more, or if the service does not stop as it should.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

PATIENCE = 4.0  # seconds that the service waits for anybody
BODY = 2 << 20  # bytes of a body
STEPS = 40  # of a sequence that a well-behaved client sends again and again
PAUSE = 0.1  # seconds between two messages of a client
GROWTH = 1.10  # of memory, from the end of the warm-up to the end
ENOUGH = 5  # minutes, to have struck in every way and be warm
SLACK = 48 << 20  # bytes beside that


def make_run(folder: Path) -> Path:
    """A run of a network with random weights, that reads digits forwards."""
    import torch

    from unrolled.networks import NetworkConfig, SequenceClassifier
    from unrolled.training import Recipe, Run, RunConfig

    torch.manual_seed(7)
    network = NetworkConfig("rows", (("lstm", 128),), input_size=28, classes=10)
    classes = tuple("0123456789")
    run = Run.create(folder, RunConfig(network, Recipe(), "sample", classes, seed=7, validation=0))
    run.save_weights(SequenceClassifier(network).state_dict())
    return folder


class Served:
    """`unrolled serve` in a process of its own, whose log is a file."""

    def __init__(self, run: Path, folder: Path, patience: float = PATIENCE) -> None:
        self.log = folder / "log"
        options = {
            "--port": 0,
            "--sessions": folder / "sessions",
            "--idle": 10,
            "--patience": patience,
            "--most-body": BODY,
            "--most-steps": 20_000,
            "--threads": 1,
        }
        command = [sys.executable, "-m", "unrolled", "serve", str(run)]
        command += [str(part) for option in options.items() for part in option]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})
        self.port = 0
        until = time.monotonic() + 120
        while not self.port and time.monotonic() < until and self.process.poll() is None:
            time.sleep(0.1)
            ready = re.search(r'"event": "ready".*"port": (\d+)', self.log.read_text())
            self.port = int(ready[1]) if ready else 0
        if not self.port:
            raise SystemExit(f"the service did not start:\n{self.log.read_text()}")

    def memory(self) -> int:
        """Bytes that are resident, of the process and of those that it started."""
        started = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        pages = 0
        for process in (self.process.pid, *started):
            with contextlib.suppress(OSError):  # it has just ended
                pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def files(self) -> int:
        """Descriptors that are open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self) -> int:
        """End it with SIGTERM: its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@dataclasses.dataclass
class Witness:
    """What the well-behaved clients saw.

    Attributes:
        calm, struck: seconds that each message took, before the strikes and during them.
        checked: answers that were compared.
        wrong: what was not as it must be.
    """

    calm: list[float] = dataclasses.field(default_factory=list)
    struck: list[float] = dataclasses.field(default_factory=list)
    checked: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)
    under_attack: bool = False

    def saw(self, began: float, fine: bool, what: str) -> None:
        """Note an answer."""
        (self.struck if self.under_attack else self.calm).append(time.monotonic() - began)
        self.checked += 1
        if not fine:
            self.wrong.append(what)


def undisturbed(run: Path) -> tuple[list[list[float]], list[list[float]]]:
    """The steps of a sequence, and what the network says after each, alone: its outputs."""
    import numpy as np

    from unrolled.serve.engine import Engine
    from unrolled.training import Run

    x = np.random.default_rng(3).normal(size=(STEPS, 28)).astype(np.float32)

    async def alone() -> list[list[float]]:
        engine = Engine(Run.open(run).load_classifier(), key=bytes(32), identity="alone")
        name = await engine.open()
        said = [(await engine.step(name, row[None])).outputs[0].tolist() for row in x]
        await engine.drain()
        return said

    return x.tolist(), asyncio.run(alone())


async def step_over_socket(port: int, x: Any, expected: Any, witness: Witness, number: int) -> None:
    """Step a session over a WebSocket, in JSON or the compact form, through the sequence again and again."""
    import numpy as np
    from websockets.asyncio.client import connect

    compact = number % 2 == 1
    async with connect(f"ws://127.0.0.1:{port}/v1/stream", max_size=None) as socket:
        await socket.send(json.dumps({"do": "open"}))
        name = json.loads(await socket.recv())["session"]
        head = len(name).to_bytes(2, "little") + name.encode()
        while True:
            for step, row in enumerate(x):
                began = time.monotonic()
                if compact:
                    await socket.send(head + np.array(row, "<f4").tobytes())
                    said = (await asyncio.wait_for(socket.recv(), 60))[len(head) :]
                    outputs = np.array(expected[step], "<f4").tobytes()
                    fine = said == (step + 1).to_bytes(8, "little") + outputs
                else:
                    await socket.send(json.dumps({"session": name, "steps": [row], "outputs": True}))
                    said = json.loads(await asyncio.wait_for(socket.recv(), 60))
                    fine = said.get("count") == step + 1 and said["outputs"] == [expected[step]]
                witness.saw(began, fine, f"step {step} over a socket: {str(said)[:200]}")
                await asyncio.sleep(PAUSE)
            await socket.send(json.dumps({"session": name, "do": "reset"}))
            await asyncio.wait_for(socket.recv(), 60)


async def step_over_http(port: int, x: Any, expected: Any, witness: Witness) -> None:
    """Step a session by requests; now and then it goes on from its token under another name."""
    import httpx

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        while True:
            name = (await client.post("/v1/sessions", json={})).json()["session"]
            for step, row in enumerate(x):
                began = time.monotonic()
                body = {"steps": [row], "outputs": True, "keep": step == 20}
                said = (await client.post(f"/v1/sessions/{name}/steps", json=body)).json()
                fine = said.get("count") == step + 1 and said["outputs"] == [expected[step]]
                witness.saw(began, fine, f"step {step} over HTTP: {str(said)[:200]}")
                if step == 20:
                    await client.delete(f"/v1/sessions/{name}")
                    opened = await client.post("/v1/sessions", json={"token": said["token"]})
                    name = opened.json()["session"]
                await asyncio.sleep(PAUSE)
            await client.delete(f"/v1/sessions/{name}")


async def predict(port: int, x: Any, witness: Witness) -> None:
    """Ask what the network says of sequences; the first answer, which nothing disturbed, is that of all."""
    import httpx

    body, first = {"sequences": [x[:9], x[:1], x]}, None
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
        while True:
            answer = await client.post("/v1/predict", json=body)
            if answer.status_code == 503 and "retry-after" in answer.headers:  # it may be told to wait
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            first = first or answer.text
            witness.checked += 1
            if answer.text != first or answer.status_code != 200:
                witness.wrong.append(f"a prediction: {answer.text[:200]}")
            await asyncio.sleep(5 * PAUSE)


def attack(port: int, seed: int, names: list[str], until: float, at_once: int, queue: Any) -> None:
    """In a process of its own: strike in random order until then, and tell what came of it."""
    from attacks.service import STRIKES, Target
    from attacks.service.http import bombs

    dice = random.Random(seed)
    target = Target(port, PATIENCE, BODY, 28, dice)
    done: Counter[str] = Counter()
    failed: list[str] = []

    bombs()  # they take a while to make

    async def strike_on(first: int) -> None:
        order = names[first::at_once]
        while time.time() < until:
            for name in order or [dice.choice(names)]:
                strike = STRIKES[name]
                try:
                    ended = await asyncio.wait_for(strike.do(target), 120)
                except (TimeoutError, OSError, EOFError) as error:
                    ended = f"{type(error).__name__} {error}"
                done[name] += 1
                if not re.fullmatch(strike.ends, ended):
                    failed.append(f"{name}: {ended[:200]!r}, expected {strike.ends!r}")
                if time.time() >= until:
                    break
                await asyncio.sleep(dice.random() * 0.2)
            order = dice.sample(names, len(names))  # each once before any again

    async def strike_all() -> None:
        await asyncio.gather(*(strike_on(first) for first in range(at_once)))

    asyncio.run(strike_all())
    queue.put((done, failed, target.statuses, target.wrong))


@dataclasses.dataclass
class Report:
    """What came of it all, and whether it may pass."""

    rows: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        lines = [f"{name:<{width}}  {value}" for name, value in self.rows]
        kinds = Counter(re.sub(r"\d+", "#", fault)[:120] for fault in self.faults)
        first = {re.sub(r"\d+", "#", fault)[:120]: fault for fault in reversed(self.faults)}
        return "\n".join([*lines, *(f"FAULT x{count}: {first[kind]}" for kind, count in kinds.items())])


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds."""
    return 1000 * sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))] if seconds else 0.0


async def watch(
    served: Served, alone: Any, minutes: float, names: list[str], seed: int, at_once: int
) -> tuple[Witness, list[tuple[float, int, int]], Any]:
    """Have all of them at it: what the clients saw, memory and files over time, what the attackers tell."""
    x, expected = alone
    witness = Witness()
    port = served.port
    clients = [step_over_socket(port, x, expected, witness, number) for number in range(6)]
    clients += [step_over_http(port, x, expected, witness) for _ in range(2)] + [predict(port, x, witness)]
    tasks = [asyncio.create_task(client) for client in clients]
    await asyncio.sleep(min(10.0, 6 * minutes))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    attacker = context.Process(
        target=attack, args=(port, seed, names, time.time() + 60 * minutes, at_once, queue)
    )
    attacker.start()
    witness.under_attack = True
    samples, began, told = [], time.monotonic(), None
    while told is None:
        await asyncio.sleep(0.5)
        samples.append((time.monotonic() - began, served.memory(), served.files()))
        if not queue.empty():
            told = queue.get()
        elif not attacker.is_alive() or served.process.poll() is not None:
            await asyncio.sleep(1)
            told = queue.get() if not queue.empty() else (Counter(), ["the attackers fell"], {}, [])
    witness.under_attack = False
    await asyncio.sleep(min(2 * PATIENCE + 6, 60 * minutes))
    samples.append((time.monotonic() - began, served.memory(), served.files()))
    for task in tasks:
        if task.done():
            witness.wrong.append(f"a client ended: {task.exception()!r}")
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if attacker.is_alive():
        attacker.terminate()
    return witness, samples, told


def hostile(
    folder: Path, minutes: float, names: list[str], seed: int = 0, at_once: int = 4, late: float = 5.0
) -> Report:
    """Serve, strike for so long, and report."""
    run = make_run(folder / "rows")
    alone = undisturbed(run)
    served = Served(run, folder)
    try:
        calm_files = served.files()
        witness, samples, told = asyncio.run(watch(served, alone, minutes, names, seed, at_once))
    finally:
        code = served.stop()
    done, failed, statuses, wrong = told
    log = served.log.read_text(errors="replace")
    report = Report(faults=[*witness.wrong, *failed, *wrong])
    warm = next(memory for at, memory, _ in samples if at >= 0.2 * samples[-1][0])
    later = [(at, memory) for at, memory, _ in samples if at >= 0.2 * samples[-1][0]]
    rise = slope(later) * 60 / 2**20
    most_memory, most_files = (max(sample[place] for sample in samples) for place in (1, 2))
    memory = [f"{size >> 20}" for size in (samples[0][1], warm, samples[-1][1], most_memory)]
    report.rows = [
        ("minutes, strikes", f"{samples[-1][0] / 60:.1f}, {sum(done.values()):,} of {len(done)} kinds"),
        ("answers checked bit for bit", f"{witness.checked:,}, {len(witness.wrong)} wrong"),
        ("ms a message, p50 / p99 / longest", f"{times(witness.calm)}; struck {times(witness.struck)}"),
        ("statuses", ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))),
        ("MiB resident: start, warm, end, most", ", ".join(memory)),
        ("MiB a minute after the warm-up", f"{rise:+.2f}"),
        ("open files: start, most, end", f"{calm_files}, {most_files}, {samples[-1][2]}"),
        ("lines of log, tracebacks", f"{log.count(chr(10)):,}, {log.count('Traceback')}"),
        ("exit code", str(code)),
    ]
    enough = minutes >= ENOUGH
    report.faults += [f"not struck with: {name}" for name in names if not done[name] and enough]
    if "Traceback" in log:
        report.faults.append("a traceback: " + log[log.index("Traceback") :][:3000])
    if enough and samples[-1][1] > GROWTH * warm + SLACK:
        report.faults.append(f"memory grew from {warm:,} to {samples[-1][1]:,} bytes")
    if enough and samples[-1][2] > calm_files + 20:
        report.faults.append(f"{samples[-1][2] - calm_files} more files are open than in the beginning")
    if witness.struck and max(witness.struck) > late:
        report.faults.append(f"a message waited for {max(witness.struck):.1f} s")
    if code not in (0, -signal.SIGTERM):
        report.faults.append(f"exit code {code}")
    return report


def times(seconds: list[float]) -> str:
    return " / ".join(f"{percentile(seconds, share):.1f}" for share in (0.5, 0.99, 1))


def slope(points: list[tuple[float, int]]) -> float:
    """Of the line nearest to points, in bytes a second."""
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(memory for _, memory in points) / len(points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    return sum((at - middle) * (memory - mean) for at, memory in points) / spread if spread else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0, help="of the order and of what is damaged")
    parser.add_argument("--at-once", type=int, default=4, help="attackers")
    parser.add_argument("--late", type=float, default=5.0, help="seconds that an answer may take")
    parser.add_argument("--strike", action="append", help="only those whose names it is found in")
    options = parser.parse_args()
    from attacks.service import STRIKES

    wanted = options.strike or [""]
    names = [name for name in STRIKES if any(re.search(one, name) for one in wanted)]
    if not names:
        parser.error(f"no strike is named so, expected some of: {', '.join(STRIKES)}")
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        report = hostile(Path(folder), options.minutes, names, options.seed, options.at_once, options.late)
        print(report, flush=True)
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
