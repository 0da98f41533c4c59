"""The estimate of a study whose selectors read no supernet."""

from support import query_study


def test_what_looks_rewards_up_costs_no_forward(archselect, tmp_path):
    table = query_study.write_table(tmp_path / "two.npz")
    study = query_study.write_study(tmp_path, table)
    code, out, _ = archselect("estimate", study)
    assert code == 0
    row = next(line for line in out.splitlines() if "random-search" in line)
    assert [cell.strip() for cell in row.split("│")[3:6]] == ["-", "-", "-"]
