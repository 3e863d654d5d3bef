"""Arms with settings of their own, arms that are added later, and the page."""

import json
from pathlib import Path
from typing import Any

import pytest

from comparing import files, settings
from teachback import api
from teachback.compare.comparison import run_comparison
from teachback.compare.page import render
from teachback.compare.page.render import PAGE_FILE
from teachback.config.reading import make_arm_config, make_config
from teachback.errors import ConfigError, UserFunctionError
from teachback.run.directory import Event

ARMS = {
    "soft": {"criterion": "loss", "rule": {"name": "softmax", "temperature": 0.5}},
    "small": {"per_round": 2, "rounds": 2, "criterion": "random"},
    "on": {"criterion": "random", "finetune.restart": "continue"},
}


def compare(config: dict[str, Any], arms: list[str], repeats: int = 1) -> Any:
    return run_comparison(
        make_config(config), arms, repeats, jobs=1, listen=lambda event: None
    )


def test_an_arm_changes_what_it_says_and_nothing_else(
    tiny: Path, tmp_path: Path
) -> None:
    comparison = compare(
        settings(tmp_path / "c", tiny, arms=ARMS, rounds=1), ["random", *ARMS]
    )
    assert [curve.generated for curve in comparison.curves] == [
        (0, 4),
        (0, 4),
        (0, 2, 4),
        (0, 4),
    ]
    assert {
        finding.arm: finding.upto
        for finding in comparison.findings
        if finding.axis == "generated"
    } == dict.fromkeys(ARMS, 4)
    configs = {
        p.parent.name: json.loads(p.read_bytes())
        for p in (tmp_path / "c/repeat-0").glob("*/config.json")
    }
    assert configs["soft"]["rule"] == ARMS["soft"]["rule"]
    assert configs["on"]["finetune"] == {
        **configs["random"]["finetune"],
        "restart": "continue",
    }
    for arm, tree in configs.items():
        changed = {name.split(".")[0] for name in ARMS.get(arm, {})}
        same = {name for name in tree if tree[name] == configs["random"][name]}
        assert same >= tree.keys() - changed, arm


def test_arms_and_repeats_that_are_added_later_find_what_is_there(
    tiny: Path, tmp_path: Path
) -> None:
    config = settings(tmp_path / "c", tiny, rounds=1)
    compare(config, ["random", "loss"])
    before = files(tmp_path / "c")
    compare({**config, "arms": ARMS}, ["random", "loss", "soft"], 2)
    after = files(tmp_path / "c")
    assert before.items() <= after.items()
    alone = read_comparison_files(
        settings(tmp_path / "alone", tiny, rounds=1, arms=ARMS),
        ["random", "loss", "soft"],
    )
    assert after == alone


def read_comparison_files(config: dict[str, Any], arms: list[str]) -> dict[str, bytes]:
    compare(config, arms, 2)
    return files(Path(config["run_dir"]))


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        (
            {"mine": {"seed": 3}},
            r"mine changes seed; an arm may change criterion, rule",
        ),
        ({"mine": {"student.model": "x"}}, r"mine changes student\.model"),
        ({"../up": {"criterion": "loss"}}, r"'\.\./up' is a folder's name too"),
    ],
)
def test_what_an_arm_may_not_do_is_said(
    arms: dict[str, Any], message: str, tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config(settings(tmp_path, tiny, arms=arms))


def test_an_arm_that_is_not_there_is_named(tiny: Path, tmp_path: Path) -> None:
    arms = {"mine": {"finetune.epoch": 3}}
    with pytest.raises(
        ConfigError,
        match=r"no such arm: mine\n  unknown key finetune\.epoch; did you mean epochs",
    ):
        compare(settings(tmp_path, tiny, arms=arms), ["random", "mine"])
    with pytest.raises(ConfigError, match=r"no such arm: los\n.*did you mean loss"):
        compare(settings(tmp_path, tiny), ["random", "los"])


def test_a_section_keeps_what_an_arm_does_not_say_and_paths_are_beside_the_config(
    tiny: Path, tmp_path: Path
) -> None:
    arms = {
        "on": {"finetune": {"restart": "continue"}},
        "short": {"criterion": "mine.py:f"},
        "long": {"criterion": {"name": "function", "function": "mine.py:f"}},
        "dotted": {"criterion.function": "other.py:g"},
    }
    own = {"name": "function", "function": "mine.py:f", "kind": "chooser"}
    config = make_config(
        settings(tmp_path, tiny, arms=arms, criterion=own), base=tmp_path
    )
    assert config.finetune.lr == 1e-3, "not the default"
    assert make_arm_config(config, "on").finetune == config.finetune.model_copy(
        update={"restart": "continue"}
    )
    criteria = {
        arm: make_arm_config(config, arm).model_dump()["criterion"]
        for arm in ("short", "long", "dotted")
    }
    assert {
        arm: criterion["function"].removeprefix(f"{tmp_path}/")
        for arm, criterion in criteria.items()
    } == {
        "short": "mine.py:f",
        "long": "mine.py:f",
        "dotted": "other.py:g",
    }
    assert {arm: criterion["kind"] for arm, criterion in criteria.items()} == {
        "short": "score",
        "long": "score",
        "dotted": "chooser",
    }


def test_a_rule_that_an_arm_can_not_have_is_refused(tiny: Path, tmp_path: Path) -> None:
    arms = {"ruled": {"criterion": "badge", "rule": "balanced"}}
    with pytest.raises(ConfigError, match="the criterion badge picks the seeds itself"):
        compare(
            settings(tmp_path / "own", tiny, arms=arms, rounds=1), ["random", "ruled"]
        )
    compare(
        settings(tmp_path / "all", tiny, rule="balanced", rounds=1), ["random", "badge"]
    )


def test_after_an_error_what_is_under_way_ends_and_nothing_begins(
    tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text("def bad(evidence):\n    return 1 / 0\n")
    config = settings(
        tmp_path / "c", tiny, arms={"bad": {"criterion": f"{tmp_path}/bad.py:bad"}}
    )
    events: list[Event] = []
    with pytest.raises(UserFunctionError, match="ZeroDivisionError"):
        run_comparison(
            make_config(config),
            ["bad", "random", "loss", "badge"],
            1,
            jobs=2,
            listen=events.append,
        )
    rounds = {
        arm: len(list((tmp_path / f"c/repeat-0/{arm}").glob("round-*/test.json")))
        for arm in ("random", "loss")
    }
    assert rounds == {"random": 2, "loss": 0}
    assert not (tmp_path / "c/repeat-0/badge").exists()
    assert any(
        "division by zero; what is under way ends first: 1 runs" in str(event.value)
        for event in events
    )


def test_a_comparison_leaves_its_page_and_does_without_where_it_can_not(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(tmp_path / "c", tiny, rounds=1)
    page = tmp_path / "c" / PAGE_FILE
    notes: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(render, "PAGE_MODULES", ("no_such_module",))
        run_comparison(
            make_config(config),
            ["random", "loss"],
            2,
            jobs=1,
            listen=lambda event: notes.append(str(event.value)),
        )
    assert any("there is no page of this comparison" in note for note in notes)
    assert not page.exists()

    comparison = compare(config, ["random", "loss"], 2)
    left = page.read_text(encoding="utf-8")
    assert "test accuracy against generated pairs" in left
    assert all(note in left for note in comparison.notes)
    # From the folder alone the page is the same
    assert api.report(tmp_path / "c") == page
    assert page.read_text(encoding="utf-8") == left
