"""The statistics of the similarity bench, and what it does about files that it cannot use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from similarity import apart, auroc, ranks, read, spearman

BENCH = Path(__file__).parents[2] / "bench" / "similarity.py"


def test_draws_share_their_mean_rank() -> None:
    assert ranks([3.0, 1.0, 3.0, 2.0]) == [3.5, 1.0, 3.5, 2.0]


def test_spearman_sees_order_alone() -> None:
    assert spearman([1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # by hand: rank differences 0, 1, 1, 0 -> 1 - 6 * 2 / (4 * 15)
    assert spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)


def test_auroc_counts_pairs() -> None:
    assert auroc([3, 4], [1, 2]) == 1
    assert auroc([1, 2], [3, 4]) == 0
    assert auroc([1, 3], [2, 3]) == pytest.approx((0 + 0 + 1 + 0.5) / 4)


def test_thresholds_keep_98_percent() -> None:
    found = apart([value / 100 for value in range(100)], [value / 100 - 0.5 for value in range(100)])
    assert found["keeps_same_at"] == 0.02
    assert found["different_below"] == 0.52
    assert found["holds_different_at"] == 0.47
    assert found["same_above"] == 0.52


def test_other_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("one,other,5.0\none,other\n")
    with pytest.raises(ValueError, match="row 2 is not sentence,sentence,score"):
        read(path)


def test_a_file_that_is_missing_is_skipped_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "missing.csv"
    ran = subprocess.run(
        [sys.executable, str(BENCH), "--pairs", str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f"{path}: skipped" in ran.stderr
    report = json.loads(ran.stdout)
    assert report["files"] == {}
    assert "No such file" in report["skipped"]["missing.csv"]
    assert report["us"]["100"]["ngrams_text"] > 0
