"""The package inside Ray Data with two workers: the bytes of one machine, and of tasks."""

import logging
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow
import pyarrow.fs
import ray
import ray.data

import regimen
from project import BIN, ROOT, payload, project, regimen as program, run_tests


class Step:
    """A worker's step, which notes its process, and begins once two processes have a block: one alone may be done with all of
    them before the other gets its first."""

    def __init__(self, step, meeting):
        self.step = step
        self.meeting = Path(meeting)

    def __call__(self, batch):
        (self.meeting / str(os.getpid())).touch()
        end = time.monotonic() + 300
        while len(list(self.meeting.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        made = self.step(batch)
        return made.append_column("pid", pyarrow.array([os.getpid()] * made.num_rows, pyarrow.int64()))


def contents(batch):
    """Files with their bytes as they lie there: `read_binary_files` would unpack them."""
    paths = batch["full"].to_pylist()
    read = []
    for path in paths:
        filesystem, path = pyarrow.fs.FileSystem.from_uri(path)
        read.append(filesystem.open_input_file(path).readall())
    return pyarrow.table({"path": paths, "bytes": pyarrow.array(read, pyarrow.large_binary())})


def on_two(dataset, step):
    """Run `step` over the blocks of a dataset in two processes; gives back the blocks, which two processes made.

    Each takes one block at a time.
    """
    ray.data.DataContext.get_current().wait_for_min_actors_s = 300
    with tempfile.TemporaryDirectory() as meeting:
        made = dataset.map_batches(
            Step,
            fn_constructor_args=(step, meeting),
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=2, max_tasks_in_flight_per_actor=1),
            num_cpus=0.5,
        ).materialize()
    pids = set(made.select_columns(["pid"]).to_pandas()["pid"])
    assert len(pids) == 2 and os.getpid() not in pids, f"processes that worked: {pids}"
    return made


def test_a_corpus_three_ways():
    """one machine, three tasks over a folder, and Ray Data with two workers build the same bytes"""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        one = payload(program("corpus", "build", project(folder / "one")))

        recipe = project(folder / "tasks")
        command = [BIN, "--quiet", "corpus", "build", str(recipe), "--store", str(folder / "store"), "--task"]
        tasks = [subprocess.Popen([*command, f"{k}/3"]) for k in range(3)]
        assert [task.wait() for task in tasks] == [0, 0, 0]
        tasks = payload(program("corpus", "build", recipe, "--store", folder / "store"))

        # With the contents, for workers that do not see the files by themselves.
        plan = regimen.Plan(str(project(folder / "ray")))
        files = ray.data.from_arrow(plan.files())
        files = files.repartition(files.count()).map_batches(contents, batch_format="pyarrow")
        rows = on_two(files, plan.first)
        given = plan.finish(rows)
        assert not given["cached"]

        # With paths alone, which the workers read.
        plan = regimen.Plan(str(project(folder / "paths")))
        files = ray.data.from_arrow(plan.files())
        files = files.repartition(files.count())
        paths = plan.finish(on_two(files, plan.first))
        assert not paths["cached"]
        assert one == tasks == given["payload"] == paths["payload"], (one, tasks, given, paths)
        print(f"    payload {one}")

        # The rounds of deduplication as Ray's shuffles, in a project where they are not done.
        plan = regimen.Plan(str(project(folder / "shuffles")))
        build = plan.gather(rows)
        for name in build.rounds():
            step = build.round(name, buckets=4)
            dealt = on_two(rows, step.map).drop_columns(["pid"])
            build.merge(step, dealt.groupby("bucket").map_groups(step.reduce, batch_format="pyarrow"))
        shuffled = build.finish()
        assert not shuffled["cached"] and shuffled["payload"] == one, (one, shuffled)


def test_attribute_files_of_tag():
    """attribute files made in Ray are those of `regimen corpus tag`, byte for byte"""
    with tempfile.TemporaryDirectory() as folder:
        documents = Path(folder) / "documents"
        documents.mkdir()
        for source in sorted((ROOT / "data").glob("*/*.jsonl.zst")):
            with pyarrow.input_stream(str(source), compression="zstd") as stream:
                rows = stream.read()
            (documents / f"{source.parent.name}-{source.name.removesuffix('.zst')}").write_bytes(rows)
        odd = '{"id":"😀","text":"né 😀 — ann@example.org\\nand\\u00e9","source":"a\\u00e9","metadata":{"a":[1]}}\n{"id":7,"text":""}\n'
        (documents / "odd.jsonl").write_text(odd, encoding="utf-8")

        taggers = ["gopher@dolma", "c4@dolma", "pii@dolma", "length"]
        program("corpus", "tag", documents, "--taggers", ",".join(taggers), "--experiment", "rules")
        expected = {path.name: path.read_bytes() for path in (Path(folder) / "attributes/rules").glob("*.jsonl")}

        tagger = regimen.Tagger(taggers, experiment="rules")
        paths = sorted(str(path) for path in documents.iterdir())
        rows = ray.data.read_text(paths, include_paths=True, override_num_blocks=len(paths))
        rows = rows.rename_columns({"text": "line"})
        made = {}
        for block in on_two(rows, tagger.lines).iter_batches(batch_format="pyarrow", batch_size=None):
            for path, line in zip(block["path"].to_pylist(), block["attributes"].to_pylist()):
                made.setdefault(Path(path).name, []).append(line + "\n")
        made = {name: "".join(lines).encode() for name, lines in made.items()}
        assert made.keys() == expected.keys() and len(made) == len(paths)
        differ = [name for name in made if made[name] != expected[name]]
        assert not differ, differ
        print(f"    {len(made)} files, {sum(map(len, made.values()))} bytes")


if __name__ == "__main__":
    context = ray.init(num_cpus=2, include_dashboard=False, logging_level="warning", log_to_driver=False)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    try:
        run_tests([value for name, value in list(globals().items()) if name.startswith("test_")])
    finally:
        ray.shutdown()
