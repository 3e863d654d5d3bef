"""The arguments and options of the commands, each with its help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

# -- of several commands -----------------------------------------------------------------

ConfigFile = Annotated[
    Path, Argument(metavar="CONFIG", help="A YAML file, such as recipes/demo.yaml.")
]
ConfigChanges = Annotated[
    list[str],
    Option(
        "--set",
        metavar="A.B=C",
        help="Change one value of the config; may be repeated.",
    ),
]
NO_CHANGES: list[str] = []
RunFolder = Annotated[
    Path, Argument(metavar="RUN", help="The directory of a run, such as runs/demo.")
]
RunFolderChoice = Annotated[
    Path | None,
    Option(metavar="FOLDER", help="Where the run lies (default: runs/NAME)."),
]
JsonOutput = Annotated[
    bool,
    Option(
        "--json", help="Print the result as JSON; progress goes to stderr either way."
    ),
]
SkipQuestion = Annotated[
    bool, Option("--yes", help="Don't ask before a teacher that costs money is paid.")
]

# -- init --------------------------------------------------------------------------------


class InitTeacher(StrEnum):
    pool = "pool"
    openai = "openai"


QuestionFile = Annotated[
    Path,
    Argument(metavar="FILE", help="JSON lines with questions, such as my.jsonl."),
]
NewConfigFile = Annotated[
    Path | None,
    Option("--out", metavar="YAML", help="Default: the file's name, here."),
]
GraderChoice = Annotated[
    str | None, Option(help="How answers are compared (default: guessed from them).")
]
QuestionColumn = Annotated[
    str | None, Option(metavar="COLUMN", help="Where the questions are.")
]
AnswerColumn = Annotated[
    str | None, Option(metavar="COLUMN", help="Where the answers are.")
]
TeacherChoice = Annotated[
    InitTeacher | None, Option(help="Default: pool, if the rows can teach.")
]
TeacherModel = Annotated[str | None, Option(help="With --teacher openai: its name.")]
TeacherUrl = Annotated[
    str | None, Option(help="With --teacher openai: where it is asked.")
]
Overwrite = Annotated[bool, Option("--force", help="Write over what is there.")]

# -- plan and status ---------------------------------------------------------------------

ProbePairs = Annotated[
    int,
    Option(
        metavar="N",
        help="Measure with N real pairs (they are bought) and student steps.",
    ),
]
ShowCosts = Annotated[
    bool, Option("--costs", help="What the calls came to, by role and round.")
]

# -- show --------------------------------------------------------------------------------

ShownSeed = Annotated[
    str | None, Option("--seed", metavar="ID", help="Only what was bought for it.")
]
RejectedOnly = Annotated[
    bool, Option("--rejected", help="Only what became no row, with the reason.")
]

# -- evaluate ----------------------------------------------------------------------------

RunOrConfig = Annotated[
    Path, Argument(metavar="RUN|CONFIG", help="A run's directory, or a YAML file.")
]
SplitName = Annotated[str, Option(metavar="test|dev")]
UntunedStudent = Annotated[
    bool, Option("--base", help="The untuned student instead of the run's.")
]
OtherStudent = Annotated[
    str | None,
    Option(metavar="FOLDER|NAME", help="Any other student, asked in the same way."),
]
# The name is explicit because typer would make -n of it.
QuestionCount = Annotated[int | None, Option("--n", help="The first n questions only.")]
SampleCount = Annotated[
    int, Option(metavar="N", help="Sampled answers to each, for pass@k.")
]
SamplingTemperature = Annotated[
    float | None, Option(help="Of --samples (default: 0.8).")
]

TrustRun = Annotated[
    bool,
    Option(
        "--trust",
        help="A run from somebody else may start what it names: a server, functions, requests.",
    ),
]

# -- select ------------------------------------------------------------------------------

SeedCount = Annotated[int, Option("-n", min=1, help="How many seeds.")]
SeedFile = Annotated[
    Path | None,
    Option("--out", metavar="FILE", help="Write them as JSONL (default: print)."),
]

# -- serve-program -----------------------------------------------------------------------

ServerPort = Annotated[
    int, Option(min=0, max=65535, help="0: any that is free; it is printed.")
]
FaultRates = Annotated[
    str,
    Option(metavar="NAME:RATE,...", help="What goes wrong: 429:0.05,mixed:0.1"),
]
MedianLatency = Annotated[
    float, Option(min=0, metavar="SECONDS", help="Median of what a request takes.")
]
LatencySigma = Annotated[
    float, Option(min=0, help="Of its logarithm: 1 is a long tail.")
]
RequestRate = Annotated[
    float | None, Option(min=0, help="Requests a second; more of them get a 429.")
]
RequestBurst = Annotated[
    int, Option(min=1, help="Requests at once after a pause, with --rate.")
]
PromptChoice = Annotated[
    str | None,
    Option(help="Prompts to recognise (default: the config's, or logic)."),
]
RequestLog = Annotated[
    Path | None, Option(metavar="FILE", help="One line of JSON for each request.")
]
FaultSeed = Annotated[int, Option(help="Of the draws of the faults.")]

# -- compare -----------------------------------------------------------------------------

ArmList = Annotated[
    str | None,
    Option(
        help="Criteria, with commas (default: random, and the config's arms or else loss)."
    ),
]
RepeatCount = Annotated[
    int,
    Option(min=1, help="Repeats: each has draws of its own, shared by its arms."),
]
JobCount = Annotated[
    int | None,
    Option(min=1, help="Runs at a time (default: one a core; one on a GPU)."),
]
IndependentDraws = Annotated[
    bool,
    Option(
        "--independent-draws",
        help="Arms share no draws, and each buys everything itself.",
    ),
]
