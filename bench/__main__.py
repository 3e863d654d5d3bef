"""python -m bench run NAME CONFIG [--set A.B=C ...]: one run of the loop, recorded in bench/results/NAME.json.
python -m bench run NAME CONFIG --arms random,loss --repeats 3: the same of a comparison of criteria.
python -m bench client|tails|limits|ledger|dedup|grade [--quick]: ours against a peer on the same work, on this machine.
python -m bench contamination [--quick]: what curation refuses of real rows, and of rows made from a test set.
python -m bench scoring|attempts|finetune [--quick]: the student engine against lm-eval, generate(), TRL and Trainer.
python -m bench badge|sketch|diversity [--quick]: selection against scikit-activeml and apricot, gradient sketches.
python -m bench compare|intervals [--quick]: runs side by side, and whether a comparison's statistics hold.
python -m bench study PLAN [--only EXPERIMENT]: a planned comparison of criteria (bench/study/plan.yaml).
python -m bench harness [--student MODEL] [--quick]: our accuracy on GSM8K against lm-eval's, item by item.

A benchmark checks first that both computed the same thing, writes bench/results/NAME.json and prints as its last line
`NAME ratio=R target=T rss=M gate=ok`; it exits with 1 when the gate or a target fails. --quick does a little of it, to
see that it works: no result file, no target.
"""

import argparse
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

from teachback.config import config as cfg

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
)  # fmt: skip  (modules of this folder, each with a function bench(quick) → Outcome)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="what", required=True)
    run = commands.add_parser("run", help="one run of the loop")
    run.add_argument("name")
    run.add_argument("config", type=Path)
    run.add_argument(
        "--set", action="append", default=[], dest="changes", metavar="A.B=C"
    )
    run.add_argument("--arms", help="criteria, to compare: as in random,loss")
    run.add_argument("--repeats", type=int, default=3)
    for name in BENCHES:
        commands.add_parser(name).add_argument(
            "--quick", action="store_true", help="no target, no result file"
        )
    commands.choices["harness"].add_argument(
        "--student", default="smollm2-135m", help="a folder or a model of the Hub"
    )
    study = commands.add_parser("study", help="a planned comparison of criteria")
    study.add_argument("plan", type=Path)
    study.add_argument("--only", help="one of the plan's experiments")
    study.add_argument(
        "--jobs", type=int, help="runs at a time; left out: as many as fit the machine"
    )
    study.add_argument(
        "--repeats", type=int, help="the first so many of the plan's alone"
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
        help="of the picture: random,loss; left out: those without settings of their own",
    )
    args = parser.parse_args()
    if args.what == "run":
        from bench.run import compared, keep, recorded

        config = cfg.read(
            args.config, args.changes, Path("runs") / f"bench-{args.name}"
        )
        keep(
            args.name,
            compared(config, args.arms.split(","), args.repeats)
            if args.arms
            else recorded(config),
        )
        return 0
    if args.what == "study":
        from bench.study.study import draw, same_against_same, tables
        from bench.study.study import study as carry_out

        if args.report:
            print("\n".join(tables(args.plan, args.only)))
        elif args.splits:
            same_against_same(args.plan)
        elif args.picture:
            draw(args.plan, args.only, args.picture, args.arms)
        else:
            carry_out(args.plan, args.only, args.jobs, args.repeats)
        return 0
    from bench.against import told

    bench = import_module(f"bench.{args.what}").bench
    if args.what == "harness":
        bench = partial(bench, student=args.student)
    return told(args.what, bench, args.quick)


if __name__ == "__main__":
    sys.exit(main())
