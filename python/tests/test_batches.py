"""The package by itself: Arrow in and out, errors, pickles, the GIL."""

import pickle
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import pandas
import pyarrow
import pyarrow.compute

import regimen
from project import payload, project, regimen as program, run_tests

TEXTS = ["Né — write to ann@example.org, or call.\n{ x", "", "One two three.\n" * 40]


def fails(call, *parts):
    """The call raises an error of the package that says all `parts`."""
    try:
        call()
    except regimen.Error as error:
        for part in parts:
            assert part in str(error), f"`{part}` is not in: {error}"
        return error
    raise AssertionError(f"no error that says {parts}")


def test_spans_are_bytes_of_the_text():
    """spans come as lists of structs in bytes, values as doubles, flags as bools, labels as texts"""
    tagger = regimen.Tagger(["pii@dolma", "c4@dolma", "length", "languages"])
    table = tagger.tag(pyarrow.table({"text": TEXTS, "n": [1, 2, 3]}))
    assert isinstance(table, pyarrow.Table) and table.num_rows == 3 and table["n"].to_pylist() == [1, 2, 3]
    (span,) = table["pii@dolma.EMAIL_ADDRESS"][0].as_py()
    assert TEXTS[0].encode()[span["start"] : span["end"]].strip(b" ,") == b"ann@example.org", span
    assert table["length.bytes"].to_pylist() == [len(text.encode()) for text in TEXTS]
    types = {a["column"]: (a["shape"], table.schema.field(a["column"]).type) for a in tagger.attributes()}
    assert set(types) == set(table.column_names) - {"text", "n"}
    expected = {
        "value": pyarrow.float64(),
        "flag": pyarrow.bool_(),
        "label": pyarrow.string(),
        "spans": table.schema.field("pii@dolma.EMAIL_ADDRESS").type,
    }
    assert all(type == expected[shape] for shape, type in types.values()), types
    german = regimen.Tagger(["languages"]).tag(pyarrow.table({"text": ["Das Wetter ist heute schön und warm.", "1 2 3"]}))
    assert german["languages.label"].to_pylist() == ["de", None], german


def test_any_arrow_goes_in():
    """tables, batches, pandas, slices, all kinds of strings, and no rows at all"""
    tagger = regimen.Tagger(["length"])
    lengths = [len(text.encode()) for text in TEXTS]
    for kind in [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]:
        column = pyarrow.array(TEXTS, kind)
        batch = tagger.tag(pyarrow.record_batch({"text": column}))
        assert isinstance(batch, pyarrow.RecordBatch) and batch["length.bytes"].to_pylist() == lengths
        chunked = pyarrow.table({"text": pyarrow.chunked_array([column.slice(1), column.slice(0, 1)])})
        assert tagger.tag(chunked)["length.bytes"].to_pylist() == lengths[1:] + lengths[:1]
    frame = tagger.tag(pandas.DataFrame({"text": TEXTS})).to_pandas()
    assert list(frame["length.bytes"]) == lengths
    empty = tagger.tag(pyarrow.table({"text": pyarrow.array([], pyarrow.string())}))
    assert empty.num_rows == 0 and "length.bytes" in empty.column_names


def test_lines_in_pieces():
    """rows in columns give the lines of rows as they are written"""
    tagger = regimen.Tagger(["pii@dolma", "length"], experiment="e")
    lines = ['{"id":"é1","text":"né a@b.org","source":"s"}', '{"id":7,"text":"two"}']
    whole = tagger.lines(pyarrow.table({"line": lines}))["attributes"].to_pylist()
    first = tagger.lines(pyarrow.table({"id": ["é1"], "text": ["né a@b.org"], "source": ["s"]}))
    second = tagger.lines(pyarrow.table({"id": [7], "text": ["two"], "source": pyarrow.array([None], pyarrow.string())}))
    assert whole == first["attributes"].to_pylist() + second["attributes"].to_pylist()


def test_errors_have_hints():
    """what is wrong is told with a way out"""
    error = fails(lambda: regimen.Tagger(["gopher@dolm"]), "gopher@dolm", "hint:")
    assert "gopher@dolma" in error.hint
    fails(lambda: regimen.Tagger([{"tagger": "length", "n": 3}]), "`n`")
    tagger = regimen.Tagger(["length"])
    fails(lambda: tagger.tag(pyarrow.table({"texts": ["a"]})), "no column `text`", "texts")
    fails(lambda: tagger.tag(pyarrow.table({"text": [1]})), "column `text` must hold texts")
    fails(lambda: tagger.tag(pyarrow.table({"text": ["a", None]})), "row 2", "null")
    fails(lambda: tagger.tag(pyarrow.table({"text": ["a"], "length.bytes": [1]})), "already")
    fails(lambda: tagger.tag(pyarrow.table({"text": ["a"], "metadata": ["{"]})), "row 1", "metadata")
    fails(lambda: tagger.lines(pyarrow.table({"line": ["{}"]})), "row 1", "text")
    damaged = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0"), pyarrow.py_buffer(b"\xff\xfe")]
    )
    fails(lambda: tagger.tag(pyarrow.table({"text": damaged})), "damaged")
    try:
        tagger.tag([1])
        raise AssertionError("a list is no Arrow data")
    except TypeError as error:
        assert "__arrow_c_stream__" in str(error)


def test_the_gil_is_released():
    """another thread runs while Rust works, though Python itself would not let it"""
    tagger = regimen.Tagger(["gopher@dolma"])
    table = pyarrow.table({"text": ["One two three.\n" * 2000] * 20})
    go, seen = threading.Event(), []
    thread = threading.Thread(target=lambda: (go.wait(), seen.append(1)))
    thread.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    go.set()
    tagger.tag(table)
    ran = bool(seen)
    sys.setswitchinterval(before)
    thread.join()
    assert ran


def test_a_plan_without_any_engine():
    """file by file, in any order, by pickled plans, with or without contents: the corpus of the program"""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        expected = payload(program("corpus", "build", project(one)))
        plan = regimen.Plan(str(project(two)))
        assert plan.stage == "corpus"
        files = plan.files()
        travelled = pickle.loads(pickle.dumps(plan))
        rows = []
        for i in reversed(range(files.num_rows)):
            batch = files.slice(i, 1)
            if i % 2:
                path = batch["full"][0].as_py()
                with open(path, "rb") as file:
                    batch = pyarrow.table({"path": [path], "bytes": [file.read()]})
            rows.append(travelled.first(batch, threads=1 + i % 2))
        assert [row["file"][0].as_py() for row in rows] == list(reversed(range(files.num_rows)))

        fails(lambda: plan.finish(rows[1:]), "1 of", "missing")
        docs = bytearray(rows[0]["docs"][0].as_py())
        docs[len(docs) // 2] ^= 1
        column = pyarrow.array([bytes(docs)], pyarrow.large_binary())
        damaged = rows[0].set_column(rows[0].column_names.index("docs"), "docs", column)
        fails(lambda: plan.finish([damaged, *rows[1:]]), "damaged")
        fails(lambda: plan.first(pyarrow.table({"path": ["none"]})), "no file `none`")
        fails(lambda: plan.first(pyarrow.table({"file": [999]})), "999")
        fails(lambda: plan.first(pyarrow.table({"file": [0], "bytes": [b"x"]})), "1 bytes")
        beside = files.slice(0, 1).append_column("contents", pyarrow.array([b"x"]))
        fails(lambda: plan.first(beside), "1 bytes")
        fails(lambda: plan.first(pyarrow.table({"path": pyarrow.array([None], pyarrow.string())})), "row 0", "no path")

        build = plan.gather(rows)
        assert build.rounds() == ["text", "near", "paragraphs"]
        fails(lambda: build.round("url"), "`url`")
        fails(lambda: build.round("near"), "`text`", "before")
        for name in build.rounds():
            step = pickle.loads(pickle.dumps(build.round(name, buckets=5)))
            dealt = pyarrow.concat_tables(step.map(row) for row in rows)
            groups = [dealt.filter(pyarrow.compute.equal(dealt["bucket"], i)) for i in reversed(range(5))]
            fails(lambda: step.reduce(dealt), "one bucket")
            found = [step.reduce(group) for group in groups]
            fails(lambda: build.merge(step, found[1:]), "4 buckets")
            build.merge(step, found)
        assert build.finish()["payload"] == expected
        shutil.rmtree(Path(two) / ".regimen")

        built = plan.finish(iter([*rows, rows[0]]))
        assert built["payload"] == expected and not built["cached"]
        assert built["summary"]["documents"]["read"] == sum(row["rows"][0].as_py() for row in rows)
        assert plan.finish(pyarrow.concat_tables(rows))["cached"]


def test_plans_that_cannot_be_made():
    """unknown stages, limits, files that are not there; stages of other kinds are passed over"""
    with tempfile.TemporaryDirectory() as folder:
        recipe = project(folder)
        recipe.write_text(recipe.read_text() + '\n[tok]\nkind = "tokenizer"\ncorpus = "corpus"\n')
        assert regimen.Plan(recipe).stage == "corpus"
        fails(lambda: regimen.Plan(recipe, stage="tok"), "`tok`")
        fails(lambda: regimen.Plan(str(recipe), stage="corpse"), "corpse", "corpus")
        fails(lambda: regimen.Plan(str(recipe), sets=["corpus.limit_bytes=100000"]), "limit_bytes")
        fails(lambda: regimen.Plan(folder + "/none.toml"), "none.toml")


if __name__ == "__main__":
    run_tests([value for name, value in list(globals().items()) if name.startswith("test_")])
