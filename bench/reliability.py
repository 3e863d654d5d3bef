"""Whole runs that are killed, damaged, or meet a full disk, and then the same command again.

- **Kills**: SIGKILL at random moments of `teachback run`, start-up and finetuning included, with
  the program teacher and with a real HTTP server; also within a budget that is too small.
- **Damaged files**: one flipped bit, a cut, a deletion, in any file of a finished run or of one
  that was killed half-way.
- **Full disks**: a small file system that is filled up at a random moment. Where none may be
  mounted, a limit on the size of files stands for it.

Each ends with the same command, and its end is compared with the unbroken run: every byte but
timings, every answer in the ledger, and the money with the server's own count. What counts:

    lost        an answer that was bought is not there, or the command does not end well
    overspent   the server counted more than the ledger, or than the budget
    silent      damaged data was used: exit code 0, another end than the unbroken run's
    traceback   instead of a message

It takes more than an hour. What was counted is kept in runs/bench-reliability, and a
bench that was stopped goes on from there.
"""

import json
import math
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.outcome import Outcome
from bench.process import peak_mib
from bench.run_command import (
    AMPLE_TOKENS,
    HTTP_TEACHER,
    TIMEOUT_S,
    Command,
    Ended,
    make_command,
    serve,
)
from bench.run_snapshots import (
    Snapshot,
    count_money,
    is_compared,
    read_rows,
    take_snapshot,
)
from bench.small_disk import fill, mount_small_disk

SIZES = {"kills": 100, "tight": 20, "damages": 200, "disks": 120}
QUICK_SIZES = {"kills": 2, "tight": 1, "damages": 3, "disks": 2}
KEPT = Path("runs/bench-reliability")


@dataclass
class Tally:
    """What came of one kind of fault. Kept in a file, so that a stopped bench goes on."""

    path: Path
    faults: int = 0
    runs: int = 0
    lost: int = 0
    overspent: int = 0
    silent: int = 0
    traceback: int = 0
    # How each ended: "same end", "refused", ...
    ends: Counter[str] = field(default_factory=Counter)
    # Of what is bad, the first few, in words.
    examples: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> "Tally":
        if not path.exists():
            return cls(path)
        facts = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, **{**facts, "ends": Counter(facts["ends"])})

    def save(self) -> None:
        beside = self.path.with_suffix(".tmp")
        beside.write_text(json.dumps(self.facts()), encoding="utf-8")
        beside.replace(self.path)

    def dice(self) -> random.Random:
        """Of the next run: the same in a bench that was stopped."""
        return random.Random(f"{self.path.stem} {self.runs}")

    def note(self, kind: str, what: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < 20:
            self.examples.append(f"{kind}: {what}")

    @property
    def bad(self) -> int:
        return self.lost + self.overspent + self.silent + self.traceback

    def facts(self) -> dict[str, Any]:
        facts = {**vars(self), "ends": dict(self.ends.most_common())}
        del facts["path"]
        return facts


def bench(quick: bool) -> Outcome:
    sizes = QUICK_SIZES if quick else SIZES
    with TemporaryDirectory(prefix="teachback-") as name:
        work = Path(name)
        kept = work / "tallies" if quick else KEPT
        kept.mkdir(parents=True, exist_ok=True)
        tallies = fuzz_all(work, kept, sizes)
        bad = sum(tally.bad for tally in tallies.values())
        faults = sum(tally.faults for tally in tallies.values())
        facts = {kind: tally.facts() for kind, tally in tallies.items()}
        shutil.rmtree(kept)
    return Outcome((faults - bad) / faults, 1.0, bad == 0, peak_mib(), facts)


def fuzz_all(work: Path, kept: Path, sizes: Mapping[str, int]) -> dict[str, Tally]:
    kinds = ("kills", "http_kills", "http_tight", "damages", "disks")
    tallies = {kind: Tally.open(kept / f"{kind}.json") for kind in kinds}
    kills, http_kills, http_tight, damages, disks = tallies.values()
    program = make_command(work / "program", "{name: program}", AMPLE_TOKENS)
    n_kills = math.ceil(sizes["kills"] / 2)
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(fuzz_kills, program, work / "kills", kills, n_kills),
            pool.submit(
                fuzz_http, program, work / "http", http_kills, http_tight, sizes
            ),
            pool.submit(
                fuzz_damages, program, work / "damages", damages, sizes["damages"]
            ),
            pool.submit(fuzz_disks, program, work / "disks", disks, sizes["disks"]),
        ]
        for part in parts:
            part.result()
    return {
        "kills, program teacher": kills,
        "kills, HTTP teacher": http_kills,
        "kills, HTTP, tight budget": http_tight,
        "damaged files": damages,
        "full disks": disks,
    }


def fuzz_http(
    program: Command, work: Path, kills: Tally, closed: Tally, sizes: Mapping[str, int]
) -> None:
    work.mkdir()
    log = work / "server.log"
    with serve(program.config, log) as url:
        teacher = HTTP_TEACHER.format(url=url)
        http = make_command(work / "ample", teacher, AMPLE_TOKENS, log)
        fuzz_kills(http, work / "kills", kills, sizes["kills"] // 2)
        tokens = measure_tight_budget(http, work / "base" / "run")
        tight = make_command(work / "scarce", teacher, tokens, log)
        fuzz_budget(tight, work / "tight", closed, sizes["tight"])


def run_unbroken(command: Command, folder: Path) -> tuple[Snapshot, float]:
    """The run that the others must equal, and its seconds."""
    started = time.monotonic()
    ended = command.run(folder)
    assert ended.code == 0, ended.text
    return take_snapshot(folder), time.monotonic() - started


# -- kills -------------------------------------------------------------------------------


def fuzz_kills(command: Command, work: Path, tally: Tally, n_kills: int) -> None:
    """Each run is killed again and again until it once ends by itself."""
    unbroken, seconds = run_unbroken(command, work / "unbroken")
    while tally.faults < n_kills:
        folder, first_line = work / str(tally.runs), command.log_lines()
        dice = tally.dice()
        tally.runs += 1
        while tally.faults < n_kills:
            if not command.run_and_kill(folder, dice.uniform(0.05, 1) * seconds):
                break
            tally.faults += 1
        check_end(command, folder, unbroken, tally, f"run {tally.runs}")
        if command.log:
            money = count_money(folder, command.log, first_line)
            if money.is_short():
                tally.note("overspent", f"run {tally.runs}: {money}")
        shutil.rmtree(folder)
        tally.save()


def check_end(
    command: Command, folder: Path, unbroken: Snapshot, tally: Tally, what: str
) -> None:
    """The same command again: it must end as the unbroken run did."""
    ended = command.run(folder)
    if "Traceback" in ended.text:
        tally.note("traceback", f"{what}: {ended.text[-300:]}")
    if ended.code != 0:
        tally.note("lost", f"{what}: exit code {ended.code}: {ended.text[-300:]}")
        tally.ends[f"exit code {ended.code}"] += 1
        return
    now = take_snapshot(folder)
    differences = unbroken.differences(now)
    tally.ends["another end" if differences else "same end"] += 1
    if unbroken.count_lost(now):
        tally.note("lost", f"{what}: {unbroken.count_lost(now)} answers")
    elif differences:
        tally.note("silent", f"{what}: {differences[:4]}")


def measure_tight_budget(command: Command, folder: Path) -> int:
    """Of tokens: what an unbroken run spends. So a call in doubt leaves too little for the rest."""
    run_unbroken(command, folder)
    ((spent,),) = read_rows(folder, "SELECT sum(tokens) FROM charges")
    return int(spent)


def fuzz_budget(command: Command, work: Path, tally: Tally, n_kills: int) -> None:
    """A call in doubt is charged in full, so where these runs end depends on the kills. What the
    server counts must stay within the budget.
    """
    _, seconds = run_unbroken_or_closed(command, work / "unbroken")
    while tally.faults < n_kills:
        folder, first_line = work / str(tally.runs), command.log_lines()
        dice = tally.dice()
        tally.runs += 1
        while command.run_and_kill(folder, dice.uniform(0.3, 1) * seconds):
            tally.faults += 1
        ended = command.run(folder)
        tally.ends[f"exit code {ended.code}"] += 1
        if "Traceback" in ended.text:
            tally.note("traceback", ended.text[-300:])
        if ended.code not in (0, 3):
            tally.note("lost", f"exit code {ended.code}: {ended.text[-300:]}")
        assert command.log
        money = count_money(folder, command.log, first_line)
        if money.is_short() or max(money.charged, money.served) > command.budget:
            tally.note("overspent", f"run {tally.runs}: {money} of {command.budget}")
        tally.save()


def run_unbroken_or_closed(command: Command, folder: Path) -> tuple[Ended, float]:
    started = time.monotonic()
    ended = command.run(folder)
    assert ended.code in (0, 3), ended.text
    return ended, time.monotonic() - started


# -- damaged files -----------------------------------------------------------------------


def fuzz_damages(command: Command, work: Path, tally: Tally, n_damages: int) -> None:
    finished = work / "finished"
    unbroken, seconds = run_unbroken(command, finished)
    half = work / "half"
    make_half_run(command, half, seconds)
    while tally.faults < n_damages:
        dice = tally.dice()
        source = dice.choice([finished, half])
        folder = work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        what = f"{source.name}: {damage_any_file(folder, dice)}"
        tally.faults += 1
        tally.runs += 1
        check_damaged_run(command, folder, unbroken, tally, what)
        tally.save()


def make_half_run(command: Command, folder: Path, seconds: float) -> None:
    """A run that was killed after its first round, in its second."""
    process = command.start(folder, command.out_file(folder))
    deadline = time.monotonic() + 10 * seconds
    while not (folder / "round-01/select.json").exists():
        assert process.poll() is None, "it ended before its second round"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.wait()


def damage_any_file(folder: Path, dice: random.Random) -> str:
    """Damage one file. Returns which, and how."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and is_damaged(p))
    path = dice.choice(files)
    content = path.read_bytes()
    kind = dice.choice(["bit", "bit", "cut", "deletion"])
    if kind == "deletion" or not content:
        path.unlink()
    elif kind == "cut":
        path.write_bytes(content[: dice.randrange(len(content))])
    else:
        position, bit = dice.randrange(len(content)), dice.randrange(8)
        flipped = bytes([content[position] ^ 1 << bit])
        path.write_bytes(content[:position] + flipped + content[position + 1 :])
    return f"{kind} of {path.relative_to(folder)}"


def is_damaged(path: Path) -> bool:
    """timings.jsonl and the lock are for people: nothing reads them."""
    return is_compared(path) or path.name.startswith("ledger.sqlite")


def check_damaged_run(
    command: Command, folder: Path, unbroken: Snapshot, tally: Tally, what: str
) -> None:
    """A damaged file is refused, or it is made anew: the end is the unbroken run's."""
    ended = command.run(folder)
    if ended.code == 0 and unbroken.differences(take_snapshot(folder)):
        # A finished run reads no weights. Whoever asks the student does.
        args = [sys.executable, "-m", "teachback", "evaluate", str(folder)]
        done = subprocess.run(args, capture_output=True, text=True, timeout=TIMEOUT_S)
        ended = Ended(done.returncode, done.stdout + done.stderr)
    if "Traceback" in ended.text:
        tally.note("traceback", f"{what}: {ended.text[-300:]}")
    elif ended.code == 0:
        differences = unbroken.differences(take_snapshot(folder))
        differences = [name for name in differences if "test" not in name]
        tally.ends["used" if differences else "made anew, or not used"] += 1
        if differences:
            tally.note("silent", f"{what}: {differences[:4]}")
    elif "error: " in ended.text:
        tally.ends["refused"] += 1
    else:
        tally.note("lost", f"{what}: exit code {ended.code}: {ended.text[-300:]}")


# -- full disks --------------------------------------------------------------------------


def fuzz_disks(command: Command, work: Path, tally: Tally, n_disks: int) -> None:
    unbroken, seconds = run_unbroken(command, work / "unbroken")
    with mount_small_disk(work / "disk") as disk:
        while tally.faults < n_disks:
            dice, what = tally.dice(), f"disk {tally.faults}"
            folder = (disk or work) / "run"
            shutil.rmtree(folder, ignore_errors=True)
            if disk:
                ended = run_on_full_disk(command, folder, dice, seconds)
            else:
                ended = command.run(folder, max_file=dice.randrange(100, 60_000))
            tally.faults += 1
            tally.runs += 1
            check_disk_message(ended, tally, what)
            check_end(command, folder, unbroken, tally, what)
            tally.save()


def run_on_full_disk(
    command: Command, folder: Path, dice: random.Random, seconds: float
) -> Ended:
    """The disk is filled up at a random moment, to a few KiB or none, and emptied at the end."""
    ballast = folder.with_name("ballast")
    out = command.out_file(folder)
    process = command.start(folder, out)
    time.sleep(dice.uniform(0, 1) * seconds)
    free_kib = dice.choice([0, 0, 4, 16, 64, 256])
    with open(ballast, "wb") as file:
        fill(file.fileno(), folder.parent, free_kib * 1024)
    code = process.wait(TIMEOUT_S)
    ballast.unlink()
    return Ended(code, out.read_text(errors="replace"))


def check_disk_message(ended: Ended, tally: Tally, what: str) -> None:
    if "Traceback" in ended.text:
        tally.note("traceback", f"{what}: {ended.text[-400:]}")
    elif ended.code == 0:
        tally.ends["ran through"] += 1
    elif ended.code == 2 and "can't be written" in ended.text:
        tally.ends["told"] += 1
    else:
        tally.note("lost", f"{what}: exit code {ended.code}: {ended.text[-400:]}")
