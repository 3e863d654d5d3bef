"""Makes Evidence for seeds whose attempts have certain nlls. Every other value is made up."""

from collections.abc import Sequence

import numpy as np

from teachback.criteria.evidence import Evidence
from teachback.types import (
    Attempt,
    CarryOver,
    Curation,
    Example,
    Grade,
    Report,
    Round,
    Selection,
    Student,
)

# A need → the field of Evidence that meets it. The attempts hold the other needs.
FIELD_OF_NEED = {
    "right": "right",
    "gold_nll": "gold_nll",
    "samples": "samples",
    "reward": "reward",
    "marks": "marks",
    "gaps": "gaps",
    "embeddings": "embedding_N_D",
    "gradients": "gradient_N_M",
    "gold_gradients": "gold_gradient_N_M",
    "dev": "dev_gradient_M",
}


def evidence_of(nlls: Sequence[float]) -> Evidence:
    """Seeds s00, s01, …; all are candidates, of 0 to 2 hops."""
    N = len(nlls)
    seeds = [
        Example(f"s{i:02}", f"question {i}", "1", "1", {"hops": i % 3})
        for i in range(N)
    ]
    vectors = np.random.default_rng(N).normal(size=(N, 8)).astype(np.float32)
    return Evidence(
        seeds=seeds,
        attempts=[
            Attempt(
                seed.id,
                "text",
                5 + i % 7,
                False,
                nll,
                max_nll=nll,
                entropy=nll,
                gap=-nll,
                egl=nll,
            )
            for i, (seed, nll) in enumerate(zip(seeds, nlls, strict=True))
        ],
        candidates=range(N),
        baseline=0.1,
        right=[i % 2 == 0 for i in range(N)],
        gold_nll=list(nlls),
        samples=[
            [Grade("right", "1", True)] * (i % 5)
            + [Grade("wrong", str(i))] * (4 - i % 5)
            for i in range(N)
        ],
        reward=[-nll for nll in nlls],
        marks=[1.0 + i % 10 for i in range(N)],
        gaps=[i % 4 - 1.0 for i in range(N)],
        embedding_N_D=vectors,
        gradient_N_M=vectors[:, ::-1].copy(),
        gold_gradient_N_M=vectors + 1,
        dev_gradient_M=vectors.mean(0) + 0.5,
    )


def past_round(chosen: Selection, accuracy: float = 0.0, rows: int = 0) -> Round:
    from teachback.types import Rejection

    fresh = Curation((), tuple(Rejection("s00", i, "") for i in range(rows)))
    report = Report("dev", 1, 0, accuracy, 0, 1, 0, {}, ())
    return Round(chosen, fresh, CarryOver((), None, None, None), Student(""), report)
