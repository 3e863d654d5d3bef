"""python -m bench run NAME CONFIG [--set A.B=C ...]: one run of the loop, recorded.
python -m bench run NAME CONFIG --arms random,loss --repeats 3: a comparison of criteria.
python -m bench client|tails|limits|ledger|dedup|grade [--quick]: ours against a peer.
python -m bench contamination [--quick]: what curation refuses of real and of leaked rows.
python -m bench scoring|attempts|finetune [--quick]: against lm-eval, generate(), TRL.
python -m bench badge|sketch|diversity [--quick]: against scikit-activeml and apricot.
python -m bench compare|intervals [--quick]: runs side by side; a comparison's statistics.
python -m bench study PLAN [--only EXPERIMENT]: a planned comparison (bench/study/*.yaml).
python -m bench demo [--quick]: the demo, over seeds and precisions.
python -m bench reliability [--quick]: killed runs, damaged files, full disks.
python -m bench page [--quick]: the browser of rows of a run's page, in Chromium.
python -m bench harness [--student MODEL] [--quick]: accuracy on GSM8K against lm-eval's.

A benchmark first checks that both sides computed the same thing. It writes
bench/results/NAME.json and prints as its last line
`NAME ratio=R target=T rss=M gate=ok`. It exits with 1 when the gate or a target fails.
--quick does a little of the work, to see that it runs: no result file, no target.
"""

import argparse
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

from teachback.config.reading import read_config

# Modules of this folder. Each has a function bench(quick) that returns an Outcome.
BENCHES = (
    "client",
    "tails",
    "limits",
    "ledger",
    "dedup",
    "grade",
    "contamination",
    "harness",
    "scoring",
    "attempts",
    "finetune",
    "badge",
    "sketch",
    "diversity",
    "replay",
    "compare",
    "intervals",
    "reliability",
    "demo",
    "page",
)


def main() -> int:
    args = make_parser().parse_args()
    if args.what == "run":
        return record(args)
    if args.what == "study":
        return run_study(args)

    from bench.outcome import run_benchmark

    bench = import_module(f"bench.{args.what}").bench
    if args.what == "harness":
        bench = partial(bench, student=args.student)
    return run_benchmark(args.what, bench, args.quick)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    add_run_options(commands.add_parser("run", help="one run of the loop"))
    for name in BENCHES:
        benchmark = commands.add_parser(name)
        benchmark.add_argument(
            "--quick", action="store_true", help="no target, no result file"
        )
    commands.choices["harness"].add_argument(
        "--student", default="smollm2-135m", help="a folder or a model of the Hub"
    )
    study = commands.add_parser("study", help="a planned comparison of criteria")
    add_study_options(study)
    return parser


def add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("name")
    run.add_argument("config", type=Path)
    run.add_argument(
        "--set", action="append", default=[], dest="changes", metavar="A.B=C"
    )
    run.add_argument("--arms", help="criteria to compare: random,loss")
    run.add_argument("--repeats", type=int, default=3)


def add_study_options(study: argparse.ArgumentParser) -> None:
    study.add_argument("plan", type=Path)
    study.add_argument("--only", help="one of the plan's experiments")
    study.add_argument(
        "--jobs", type=int, help="runs at a time; default: as many as fit the machine"
    )
    study.add_argument(
        "--repeats", type=int, help="at most this many of the plan's repeats"
    )
    study.add_argument(
        "--report", action="store_true", help="print what is recorded, as tables"
    )
    study.add_argument(
        "--splits",
        action="store_true",
        help="A/A: split the recorded random runs again and again",
    )
    study.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.svg",
        help="draw the learning curves of --only",
    )
    study.add_argument(
        "--arms",
        help="arms of the picture: random,loss; default: those without own settings",
    )


def record(args: argparse.Namespace) -> int:
    from bench.run import record_comparison, record_run, write_record

    run_dir = Path("runs") / f"bench-{args.name}"
    config = read_config(args.config, args.changes, run_dir)
    if args.arms:
        facts = record_comparison(config, args.arms.split(","), args.repeats)
    else:
        facts = record_run(config)
    write_record(args.name, facts)
    return 0


def run_study(args: argparse.Namespace) -> int:
    from bench.study import study

    if args.report:
        print("\n".join(study.report_tables(args.plan, args.only)))
    elif args.splits:
        study.compare_same_with_same(args.plan)
    elif args.picture:
        study.draw_picture(args.plan, args.only, args.picture, args.arms)
    else:
        study.run_plan(args.plan, args.only, args.jobs, args.repeats)
    return 0


if __name__ == "__main__":
    sys.exit(main())
