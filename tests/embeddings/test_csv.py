from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vmf.embeddings import csv as csv_reader
from vmf.embeddings import delimited, open_embeddings
from vmf.errors import EmbeddingError

ROWS = [[0.5, -1.25, 3e-7], [1.0, 2.0, -0.0], [1e300, 5e-324, 0.1]]


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes, name: str = "x.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def read(path: Path, column: str | None = None, **how: int) -> np.ndarray:
    return np.concatenate([rows for _, rows in open_embeddings(path, column).chunks(**how)])


def table(delimiter: str = ",", header: str = "", end: str = "\n") -> str:
    lines = [delimiter.join(map(repr, row)) for row in ROWS]
    return end.join([header, *lines] if header else lines) + end


@pytest.mark.parametrize("delimiter", [",", "\t", ";", " ", "  "])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_headers_and_line_ends_are_found(write, delimiter, header, end):
    path = write(table(delimiter, delimiter.join(["a", "b", "c"]) if header else "", end))
    file = open_embeddings(path)
    assert file.shape == (3, 3)
    assert file.dtype == np.float64
    np.testing.assert_array_equal(read(path, rows=2), ROWS)


def test_numbers_read_back_bit_for_bit(write):
    values = np.random.default_rng(0).standard_normal((200, 7)) * 10.0 ** np.arange(-150, 151, 50)
    path = write("\n".join(",".join(map(repr, row)) for row in values.tolist()))
    np.testing.assert_array_equal(read(path, rows=33), values)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xef\xbb\xbf", b""),  # a byte order mark
        (b"", b"\n\n  \n"),  # blank lines at the end
        (b"# made by a tool\n# on a day\n", b""),
        (b"\n", b""),
    ],
)
def test_marks_comments_and_blank_lines_are_left_out(write, before, after):
    path = write(before + table().encode() + after)
    np.testing.assert_array_equal(read(path), ROWS)


def test_the_output_of_savetxt_is_read(tmp_path):
    np.savetxt(tmp_path / "x.txt", ROWS, header="a b c")
    np.testing.assert_array_equal(read(tmp_path / "x.txt"), ROWS)


def test_names_that_only_count_are_a_header_above_decimals(write):
    np.testing.assert_array_equal(read(write("0,1,2\n" + table())), ROWS)
    integers = read(write("0,1,2\n3,4,5\n6,7,8\n"))
    np.testing.assert_array_equal(integers, [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    one_line = read(write("0,1,2\n"))
    np.testing.assert_array_equal(one_line, [[0, 1, 2]])


def test_columns_are_chosen_by_name_pattern_position_and_range(write):
    path = write("id,x0,x1,label\n7,0.5,1.5,cat\n8,2.5,3.5,dog\n")
    expected = [[0.5, 1.5], [2.5, 3.5]]
    for column in ("x0,x1", "x*", "1,2", "1:3", "x0, x1", "x0,x*", "1:2,x1"):
        np.testing.assert_array_equal(read(path, column), expected)
    np.testing.assert_array_equal(read(path, "x1,x0"), np.array(expected)[:, ::-1])


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("x0,x1,label\n1,2,cat\n", None, r"column 2 \('label'\) holds text \('cat'\).*'0:2'"),
        ("id,x0,x1\n7,1,2\n", None, r"column 0 \('id'\) looks like a label or id.*'1:3'"),
        (",x0,x1\n7,1,2\n", None, r"column 0 \(''\) looks like a label or id"),
        ("cat,1,2\ndog,3,4\n", None, r"column 0 holds text \('cat'\).*column='1:3'"),
        ("a,b\ncat,dog\n", None, r"holds no numbers: column 0 \('a'\) begins with 'cat'"),
        ("x0,x1,label\n1,2,cat\n", "x0,label", r"'label'\) holds text \('cat'\); choose numeric"),
        ("x0,x1,label\n1,2,cat\n", "y*", r"has no column 'y\*'; its 3 columns are 'x0', 'x1'"),
        ("x0,x1\n1,2\n", "5", "has no column '5'"),
        ("x0,x1\n1,2\n", "1:1", "has no column '1:1'"),
        ("x0,x1\n1,2\n", "x0", "has dimension 1"),
        ("a,a,b\n1,2,3\n", "a,b", "has 2 columns named 'a'"),
        ("1\n2\n", None, "has dimension 1"),
        ("a,b\n", None, "holds a header but no rows"),
        ("\n\n", None, "every line is empty"),
        (b"1,2\n3,\xff\n", None, r"not UTF-8 text"),
        ("1,2\n3,\0\n", None, "binary"),
        ('1,2\n"3,4\n5,6\n', None, "line 2: a quote is never closed"),
    ],
)
def test_bad_tables_are_refused_when_opened(write, text, column, message):
    path = write(text)
    with pytest.raises(EmbeddingError, match=message) as caught:
        open_embeddings(path, column)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("late", [0, 50])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2", "has 2 fields where 3 are expected"),
        ("1,2,3,4", "has 4 fields where 3 are expected"),
        ('1,"2,3"', "has 2 fields where 3 are expected"),
        ("1,cat,3", "column 'b': 'cat' is not a number; correct it"),
        ("1,1_000,3", "column 'b': '1_000' is not a number"),
        ('1,"0,5",3', r"column 'b': '0,5' is not a number \(decimal comma"),
        ("1,0x10,3", "column 'b': '0x10' is not a number"),
    ],
)
def test_bad_lines_are_named_wherever_they_are(write, line, message, late):
    # The first lines decide what is text, so the fault stands behind them.
    good = delimited._SAMPLE_LINES + late
    path = write("a,b,c\n" + "1,2,3\n" * good + line + "\n" + "1,2,3\n" * 5)
    with pytest.raises(EmbeddingError, match=rf"line {good + 2}\b.*{message}"):
        read(path)


def test_a_ragged_line_among_the_first_is_named(write):
    with pytest.raises(EmbeddingError, match="line 3 has 2 fields where 3 are expected"):
        read(write("a,b,c\n1,2,3\n1,2\n1,2,3\n"))


def test_missing_values_are_nan(write):
    rows = read(write("a,b,c\n1,,3\n1,2,NA\nnull,nan,3\n1,2,3\n"))
    nan = np.nan
    np.testing.assert_array_equal(rows, [[1, nan, 3], [1, 2, nan], [nan, nan, 3], [1, 2, 3]])


def test_quoted_fields_with_separators_and_line_breaks(write):
    path = write('text,x0,x1\n"a, ""b""\nand c","1",2\nplain,3,"4"\n')
    file = open_embeddings(path, "x*")
    assert file.shape == (2, 2)
    np.testing.assert_array_equal(read(path, "x*"), [[1, 2], [3, 4]])
    assert file.locate(1, 0) == "row 1 (line 4), column 'x0'"


def test_locate_names_line_and_column(write):
    file = open_embeddings(write("# c\n\nid,x0,x1\n7,0.5,1.5\n\n8,2.5,3.5\n"), "x*")
    assert file.locate(0) == "row 0 (line 4)"
    assert file.locate(1, 1) == "row 1 (line 6), column 'x1'"
    assert open_embeddings(write("1,2\n3,4\n")).locate(1, 1) == "row 1 (line 2), column 1"


def test_a_line_without_end_is_refused_not_loaded(write, monkeypatch):
    monkeypatch.setattr(delimited, "_LONGEST_LINE", 1000)
    with pytest.raises(EmbeddingError, match="line 2 is longer than"):
        open_embeddings(write("1,2\n" + "1," * 2000))
    with pytest.raises(EmbeddingError, match="line 2 is longer than"):
        open_embeddings(write("1,2\n" + '"1,\n' + "1,\n" * 2000))


def test_all_rows_are_counted_and_read(write):
    path = write("1,2,3\n" * 1000)
    file = open_embeddings(path)
    assert file.rows == 1000
    assert sum(len(rows) for _, rows in file.chunks(rows=64)) == 1000


def test_a_table_that_loses_rows_while_it_is_read(write):
    path = write("1.5,2.5\n" * 1000)
    file = open_embeddings(path)
    assert file.rows == 1000
    path.write_text("1.5,2.5\n" * 900)
    with pytest.raises(EmbeddingError, match="ended after 900 rows where 1000 were promised"):
        list(file.chunks())


@pytest.mark.parametrize(("delimiter", "ending"), [(",", "csv"), ("\t", "tsv"), (";", "csv")])
def test_large_blocks_have_the_bits_of_numpy(tmp_path, monkeypatch, delimiter, ending):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(csv_reader, "_WORTH_AN_IMPORT", 1)
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 64, (400, 6), dtype=np.uint64, endpoint=False).view(np.float64)
    values = np.where(np.isfinite(bits), bits, rng.standard_normal((400, 6)))
    values[:3] = [[-0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e22, 123456789012345678]] * 3
    written = [[repr(float(x)) for x in row] for row in values]
    written[1] = [f"+{x}" if not x.startswith("-") else x for x in written[1]]
    written[2] = [f" {x} " for x in written[2]]
    written[3] = ["nan", "inf", "-inf", "1E5", "1e+05", "007"]
    text = "\n".join(delimiter.join(row) for row in written)
    (tmp_path / f"x.{ending}").write_text(text)
    file = open_embeddings(tmp_path / f"x.{ending}")
    taken = []
    fast = csv_reader.CsvFile._parse_by_arrow
    monkeypatch.setattr(
        csv_reader.CsvFile,
        "_parse_by_arrow",
        lambda self, block: taken.append(fast(self, block)) or taken[-1],
    )
    found = np.concatenate([rows for _, rows in file.chunks(rows=50)])
    assert sum(one is not None for one in taken) >= 7
    monkeypatch.setattr(csv_reader.CsvFile, "_parse_by_arrow", lambda self, block: None)
    plain = np.concatenate([rows for _, rows in file.chunks(rows=50)])
    assert found.tobytes() == plain.tobytes()
    assert np.concatenate([found[:3], found[4:]]).tobytes() == np.delete(values, 3, 0).tobytes()


@pytest.mark.parametrize("field", ["", "NA", "1_000", "0x10", "word", '"3"', "1 2", "1e400", "١"])
def test_odd_fields_are_read_as_without_pyarrow(tmp_path, monkeypatch, field):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(csv_reader, "_WORTH_AN_IMPORT", 1)
    (tmp_path / "x.csv").write_text("1,2,3\n" * 30 + f"4,{field},6\n" + "7,8,9\n" * 3)

    def read():
        try:
            blocks = [rows for _, rows in open_embeddings(tmp_path / "x.csv").chunks(rows=9)]
            return np.concatenate(blocks).tobytes()
        except EmbeddingError as error:
            return str(error)

    with_arrow = read()
    monkeypatch.setattr(csv_reader.CsvFile, "_parse_by_arrow", lambda self, block: None)
    assert with_arrow == read()
