"""Settings of a task made of the user's rows: the columns, and how answers are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, WithJsonSchema, create_model, model_validator

from ..types import Example, ImportFunction, PositiveInt, Settings, Task
from .answer_formats import ANSWER_FORMATS
from .options import Correct
from .rows_task import AnswerFormat, make_task_from_rows
from .splits import SplitSizes
from .table import ExampleColumns

T = TypeVar("T", bound="TableSettings")


def _check_grader(name: str) -> str:
    if name not in ANSWER_FORMATS:
        raise ValueError(f"allowed are {', '.join(ANSWER_FORMATS)}")
    return name


GraderName = Annotated[
    str,
    AfterValidator(_check_grader),
    WithJsonSchema({"type": "string", "enum": list(ANSWER_FORMATS)}),
]


class TableSettings(Settings):
    """Where the columns are, and how answers are compared."""

    n_seeds: PositiveInt | None = None
    # Without rows of their own, dev and test are set aside by a hash of the question.
    n_dev: PositiveInt | None = None
    n_test: PositiveInt | None = None
    # The columns' names. A name may step into a nested column: answers.text[0], messages.user.
    # Several make the question together: [context, question]; "input?" may be empty.
    question: str | list[str] = "question"
    answer: str | None = "answer"
    solution: str | None = "solution"
    id: str | None = "id"
    # Multiple choice: the column of the options, or one for each. They are put below the question
    # as (A), (B), …, and the answer becomes a letter.
    options: str | list[str] | None = None
    # What the answer's column has, with `options`: a letter (or the option's own label), its place
    # from 0 (index) or from 1 (number), or its text. null: letter.
    correct: Correct | None = None
    grader: GraderName = "exact"
    # Put before every question.
    instruction: str | None = None
    # Meta fields, or columns, to break accuracy down by.
    by: list[str] = []
    # Questions made from templates: words that two of them share mean nothing.
    templated: bool = False

    @model_validator(mode="after")
    def _check_columns(self: T) -> T:
        if not self.question:
            raise ValueError("question needs at least one column")
        if self.correct is not None and not self.options:
            raise ValueError(
                "correct says how the answer names one of the options: give options"
            )
        if self.options and self.answer is None:
            raise ValueError("options need the column of the answer")
        return self

    @model_validator(mode="after")
    def _check_grader_settings(self: T) -> T:
        fields = ANSWER_FORMATS[self.grader].settings.model_fields
        for name, grader in GRADER_OF_SETTING.items():
            given = getattr(self, name) is not None
            wanted = name in fields and fields[name].is_required()
            if given != wanted and (wanted or name not in fields):
                raise ValueError(f"grader: {grader} and {name} belong together")
        return self

    @property
    def columns(self) -> ExampleColumns:
        question, options = self.question, self.options or ()
        return ExampleColumns(
            question=question if isinstance(question, str) else tuple(question),
            answer=self.answer,
            solution=self.solution,
            id=self.id,
            meta=tuple(self.by),
            options=(options,) if isinstance(options, str) else tuple(options),
            correct=self.correct or "letter",
        )

    @property
    def sizes(self) -> SplitSizes:
        return SplitSizes(self.n_seeds, self.n_dev, self.n_test)

    def make_format(self, import_function: ImportFunction) -> AnswerFormat:
        """How answers are written and graded. Raises ConfigError for a bad grader setting."""
        entry = ANSWER_FORMATS[self.grader]
        names = entry.settings.model_fields
        values = {name: getattr(self, name) for name in names}
        present = {name: value for name, value in values.items() if value is not None}
        return entry.make(present, import_function)


def find_columns(settings: object) -> ExampleColumns | None:
    """The columns that a task's settings name; None for a task that takes none."""
    return settings.columns if isinstance(settings, TableSettings) else None


def _settings_of_graders() -> dict[str, str]:
    """Each grader's own setting, with the grader's name."""
    names: dict[str, str] = {}
    for grader, entry in ANSWER_FORMATS.items():
        names.update(dict.fromkeys(entry.settings.model_fields, grader))
    return names


GRADER_OF_SETTING: Mapping[str, str] = _settings_of_graders()


def with_grader_settings(settings: type[T], module: str) -> type[T]:
    """The class with every grader's own settings as optional keys."""
    fields: dict[str, Any] = {}
    for entry in ANSWER_FORMATS.values():
        for name, field in entry.settings.model_fields.items():
            fields[name] = (field.annotation | None, None)  # type: ignore[operator]
    name = settings.__name__.removeprefix("_")
    return create_model(
        name, __base__=settings, __module__=module, __doc__=settings.__doc__, **fields
    )


def load_table(
    settings: Any,
    read: Callable[[Any], list[Example]],
    import_function: ImportFunction,
    notes: Sequence[str] = (),
) -> Task:
    """The task of settings that name seeds, and may name dev and test.

    read(name): the rows that a name stands for, such as a file's or a split's. notes: on how they
    were read; `read` may add to them.
    """
    task = make_task_from_rows(
        read(settings.seeds),
        dev=None if settings.dev is None else read(settings.dev),
        test=None if settings.test is None else read(settings.test),
        sizes=settings.sizes,
        name=settings.name,
        form=settings.make_format(import_function),
        instruction=settings.instruction,
        templated=settings.templated,
        by=tuple(settings.by),
    )
    return replace(task, notes=(*dict.fromkeys(notes), *task.notes))
