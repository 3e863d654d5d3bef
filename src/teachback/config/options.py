"""The arguments and options of the commands, each with its help."""

from enum import Enum, StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, echo


def print_version(is_asked: bool) -> None:
    if is_asked:
        echo(f"teachback {version('teachback')}")
        raise Exit


ShowVersion = Annotated[
    bool,
    Option(
        "--version", callback=print_version, is_eager=True, help="Print the version."
    ),
]

# -- of several commands -----------------------------------------------------------------

ConfigFile = Annotated[
    Path,
    Argument(metavar="CONFIG", help="A YAML file, such as `teachback init` writes."),
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
ComparisonFolderChoice = Annotated[
    Path | None,
    Option(
        "--run-dir",
        metavar="FOLDER",
        help="Where the comparison lies (default: runs/NAME-compare).",
    ),
]
RankingFolderChoice = Annotated[
    Path | None,
    Option(
        "--run-dir",
        metavar="FOLDER",
        help="The ranking lies beside it, in FOLDER-select-N-CRITERION (default: runs/NAME).",
    ),
]
JsonOutput = Annotated[
    bool,
    Option(
        "--json", help="Print the result as JSON; progress goes to stderr either way."
    ),
]
Quiet = Annotated[
    bool,
    Option(
        "--quiet",
        "-q",
        help="No progress and no notes on stderr: only errors, and why a run ended early.",
    ),
]
SkipQuestion = Annotated[
    bool, Option("--yes", help="Don't ask before a teacher that costs money is paid.")
]

# -- demo and doctor ---------------------------------------------------------------------

QuickDemo = Annotated[
    bool, Option("--quick", help="A few questions and one round: does it all work?")
]
DemoFolderChoice = Annotated[
    Path | None,
    Option(
        "--run-dir",
        metavar="FOLDER",
        help="Where the run lies (default: runs/demo, or runs/demo-quick).",
    ),
]
CheckedConfig = Annotated[
    Path | None,
    Argument(metavar="[CONFIG]", help="A YAML file (default: the demo's)."),
]

# -- init --------------------------------------------------------------------------------


class InitTeacher(StrEnum):
    pool = "pool"
    openai = "openai"


class InitCorrect(Enum):
    letter = "letter"
    index = "index"
    number = "number"
    text = "text"


QuestionFile = Annotated[
    Path,
    Argument(
        metavar="FILE",
        help="Rows with questions: JSONL, JSON, CSV, TSV, Parquet or Arrow, packed or not; "
        "a folder of them; or a data set on the Hub, ORGANISATION/NAME.",
    ),
]
NewConfigFile = Annotated[
    Path | None,
    Option("--out", metavar="YAML", help="Default: the file's name, here."),
]
GraderChoice = Annotated[
    str | None, Option(help="How answers are compared (default: guessed from them).")
]
NO_COLUMNS: list[str] = []
QuestionColumns = Annotated[
    list[str],
    Option(
        "--question",
        metavar="COLUMN",
        help="Where the questions are. Several make the question together.",
    ),
]
AnswerColumn = Annotated[
    str | None,
    Option(metavar="COLUMN", help="Where the answers are: answer, or answers.text[0]."),
]
SolutionColumn = Annotated[
    str | None, Option(metavar="COLUMN", help="Where the worked solutions are.")
]
OptionColumns = Annotated[
    list[str],
    Option(
        "--options",
        metavar="COLUMN",
        help="Multiple choice: where the options are; or once for each column of one.",
    ),
]
CorrectForm = Annotated[
    InitCorrect | None,
    Option(
        help="Multiple choice: what the answer is of the right option. index is its place from "
        "0 on, number from 1 on."
    ),
]
HubSubset = Annotated[
    str | None, Option("--subset", metavar="NAME", help="Of a data set on the Hub.")
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

# -- diff and runs -----------------------------------------------------------------------

LeftRun = Annotated[
    Path,
    Argument(metavar="RUN", help="The directory of a run, or of a comparison's arm."),
]
RightRun = Annotated[Path, Argument(metavar="RUN", help="The one beside it.")]
RunsFolder = Annotated[
    Path, Argument(metavar="[FOLDER]", help="A folder with runs in it.")
]
InnerRuns = Annotated[
    bool, Option("--all", help="The runs of comparisons too, a line each.")
]

# -- report ------------------------------------------------------------------------------

PagePath = Annotated[
    Path | None,
    Option(
        "--to",
        metavar="PATH",
        help="Where the page is written (default: report.html in the run's directory).",
    ),
]

ServeLive = Annotated[
    bool,
    Option(
        "--serve",
        help="Show the page live while the run is at work, to this machine alone, until Ctrl-C.",
    ),
]
LivePort = Annotated[
    int | None,
    Option(
        "--port",
        min=0,
        max=65535,
        help="With --serve (default: any that is free).",
        show_default=False,
    ),
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

# -- export ------------------------------------------------------------------------------

ExportFormName = Annotated[
    str,
    Option(
        "--to",
        metavar="FORM",
        help="What to write: one of the forms below. Or hub:ORGANISATION/NAME, to push.",
    ),
]
ExportPath = Annotated[
    Path | None,
    Option("--out", metavar="PATH", help="Where: a new file or folder, or a folder."),
]
WithCard = Annotated[
    bool,
    Option("--card", help="README.md beside the file, a card in the Hub's form."),
]
PushedPart = Annotated[
    str | None,
    Option(
        "--what",
        metavar="PART",
        help="With --to hub:ORGANISATION/NAME: data, student, both, or a form.",
    ),
]
PublicRepo = Annotated[
    bool, Option("--public", help="A new repository on the Hub is public.")
]
SkipPushQuestion = Annotated[bool, Option("--yes", help="Don't ask before the push.")]
WithMeta = Annotated[
    bool,
    Option(
        "--meta",
        help="Where each row is from, too: seed, round, criterion, score, teacher, hash of the "
        "prompt, verified, cost.",
    ),
]
PlainRows = Annotated[
    bool,
    Option(
        "--plain", help="Questions as they are, without system message and instruction."
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
