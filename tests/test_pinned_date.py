"""Prompts that name the date name that of the run's first start."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from teachback.build.prepare import prepare_run
from teachback.compare.comparison import pin_today
from teachback.config.reading import make_config
from teachback.errors import InputsChanged
from teachback.run.directory import Run
from teachback.run.identity import read_today
from teachback.testing import CHAT_TEMPLATE, tiny_student

DATED = "Today is {{ strftime_now('%d %b %Y') }}." + CHAT_TEMPLATE
FIRST_DAY = date(2025, 1, 31)


def make_settings(model: Path, **student: Any) -> Any:
    return make_config(
        {
            "task": {"name": "prontoqa", "seeds": 4, "dev": 2, "test": 2},
            "per_round": 2,
            "rounds": 1,
            "student": {"model": str(model), "precision": "float32", **student},
        }
    )


def prepare(config: Any, folder: Path) -> date | None:
    with Run(folder) as run, prepare_run(config, run) as prepared:
        return prepared.responder.chat.today


def set_day(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    class Day(date):
        @classmethod
        def today(cls) -> Any:
            return day

    monkeypatch.setattr("teachback.student.chat_date.date", Day)


def test_a_later_start_goes_on_with_the_first_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_settings(tiny_student(tmp_path / "model", chat_template=DATED))
    folder = tmp_path / "run"
    set_day(monkeypatch, FIRST_DAY)
    assert prepare(config, folder) == FIRST_DAY
    set_day(monkeypatch, date(2025, 2, 1))
    assert prepare(config, folder) == FIRST_DAY
    assert json.loads((folder / "inputs.json").read_text())["today"] == "2025-01-31"
    assert read_today(folder) == FIRST_DAY
    assert pin_today(config, folder).student.today == FIRST_DAY
    assert prepare(config, tmp_path / "other") == date(2025, 2, 1)


def test_the_day_may_be_set_and_is_then_part_of_the_run(tmp_path: Path) -> None:
    model = tiny_student(tmp_path / "model", chat_template=DATED)
    assert prepare(make_settings(model, today="2024-07-26"), tmp_path / "run") == date(
        2024, 7, 26
    )
    with pytest.raises(InputsChanged, match=r"2024-07-26.*→.*2024-07-27"):
        prepare(make_settings(model, today="2024-07-27"), tmp_path / "run")


def test_where_no_prompt_names_a_day_the_inputs_have_none(
    tiny: Path, tmp_path: Path
) -> None:
    assert prepare(make_settings(tiny), tmp_path / "run") is None
    assert "today" not in json.loads((tmp_path / "run/inputs.json").read_text())
    assert read_today(tmp_path / "run") is None
    assert pin_today(make_settings(tiny), tmp_path / "run").student.today is None
    assert read_today(tmp_path / "no run") is None
