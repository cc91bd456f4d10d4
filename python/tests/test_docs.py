"""What the documentation says is run as it stands there: queries over tables, a Slurm array, Kubernetes Jobs."""

import io
import os
import re
import subprocess
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import duckdb
import kubernetes_validate
import polars
import pyarrow.parquet
import yaml

from project import BIN, ROOT, payload, project, regimen as program, run_tests

CLUSTER = (ROOT / "docs/cluster.md").read_text()
CORPUS = (ROOT / "docs/corpus.md").read_text()
TASKS = 8


def indented(after):
    """The indented block that follows a line which begins with `after`."""
    lines = iter(CORPUS.splitlines())
    for line in lines:
        if line.startswith(after):
            break
    block = []
    for line in lines:
        if line and not line.startswith("    "):
            break
        block.append(line[4:])
    return "\n".join(block)


def fenced(text, language):
    """All fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def environment(folder, **more):
    """The program under its own name, as on a node that has it installed."""
    tools = Path(folder) / "bin"
    tools.mkdir(exist_ok=True)
    if not (tools / "regimen").exists():
        (tools / "regimen").symlink_to(Path(BIN).resolve())
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", **more}


def the_tables_answer_the_queries_of_the_docs():
    """DuckDB's three queries and Polars' give what the tables hold"""
    with tempfile.TemporaryDirectory() as folder:
        recipe = project(folder)
        program("corpus", "build", recipe)
        program("--project", folder, "corpus", "export", "corpus", Path(folder) / "out", "--format", "parquet")
        documents = pyarrow.parquet.read_table(Path(folder) / "out/documents.parquet").to_pylist()
        spans = pyarrow.parquet.read_table(Path(folder) / "out/attributes.parquet").to_pylist()
        os.chdir(folder)

        dropped, copies, most = (query for query in indented("Three queries").split(";") if query.strip())
        found = duckdb.sql(dropped).fetchall()
        counts = {}
        for one in documents:
            if one["reason"] is not None:
                count = counts.setdefault((one["source"], one["reason"]), [0, 0])
                count[0] += 1
                count[1] += one["bytes"]
        assert found and {(a, b): [c, d] for a, b, c, d in found} == counts, found
        assert [row[2] for row in found] == sorted((row[2] for row in found), reverse=True)

        by_ordinal = {one["ordinal"]: one for one in documents}
        pairs = [(one, by_ordinal[one["representative"]]) for one in documents if one["representative"] is not None]
        pairs.sort(key=lambda pair: (-pair[0]["bytes"], pair[0]["id"]))
        wanted = [(d["id"], d["bytes"], d["reason"], k["id"], k["source"]) for d, k in pairs[:10]]
        found = duckdb.sql(copies).fetchall()
        assert wanted and found == wanted, (found, wanted)

        of = {}
        for span in spans:
            key = (span["tagger"], span["attribute"], by_ordinal[span["ordinal"]]["id"])
            count = of.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += span["end"] - span["start"]
        found = duckdb.sql(most).fetchall()
        assert found and all(of[row[:3]] == list(row[3:]) for row in found), found
        assert found[0][3] == max(count[0] for count in of.values())

        shown = io.StringIO()
        tables = {}
        with redirect_stdout(shown), polars.Config(tbl_rows=-1, fmt_str_lengths=100):
            exec(indented("and in [Polars]"), tables)
        d = tables["d"].collect()
        assert d.height == len(documents) and "0.95" not in shown.getvalue()
        assert shown.getvalue().count("shape:") == 3, shown.getvalue()
        for (source, reason), (count, size) in counts.items():
            assert re.search(rf"{re.escape(source)}\W+{re.escape(reason)}\W+{count}\W+{size}\b", shown.getvalue()), shown.getvalue()


def a_slurm_array_runs_as_written():
    """The scripts of docs/cluster.md with the variables of Slurm: one task killed, the corpus that of one machine"""
    tasks, collect = fenced(CLUSTER, "bash")[:2]
    assert f"#SBATCH --array=0-{TASKS - 1}\n" in tasks and f"/{TASKS}\"" in tasks
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as alone:
        recipe = project(folder)
        (Path(folder) / "recipes").mkdir()
        recipe.rename(Path(folder) / "recipes/curate.toml")
        for name, script in (("curate.sbatch", tasks), ("collect.sbatch", collect)):
            (Path(folder) / name).write_text(script)

        def start(name, **variables):
            # Slurm runs the script with the interpreter of its first line, in the folder of the submission.
            env = environment(folder, SLURM_CPUS_PER_TASK="1", **variables)
            return subprocess.Popen(["/bin/bash", name], cwd=folder, env=env, stderr=subprocess.PIPE, text=True)

        running = [start("curate.sbatch", SLURM_ARRAY_TASK_ID=str(i)) for i in range(TASKS)]
        running[3].kill()
        running[3].wait()
        # --requeue: the same task again.
        running[3] = start("curate.sbatch", SLURM_ARRAY_TASK_ID="3")
        for task in running:
            errors = task.communicate()[1]
            assert task.returncode == 0, errors
        last = start("collect.sbatch")
        errors = last.communicate()[1]
        assert last.returncode == 0, errors

        made = program("--project", folder, "corpus", "build", Path(folder) / "recipes/curate.toml")
        assert all(stage["cached"] for stage in made["stages"]), made
        assert payload(made) == payload(program("corpus", "build", project(alone)))


def kubernetes_jobs_run_as_written():
    """The manifests of docs/cluster.md are valid, and what their containers run makes the corpus of one machine"""
    tasks, collect = (yaml.safe_load(text) for text in fenced(CLUSTER, "yaml")[:2])
    for job in (tasks, collect):
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    assert tasks["spec"]["completions"] == tasks["spec"]["parallelism"] == TASKS
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as alone:
        recipe = project(folder)
        store = Path(folder) / "store"

        def start(job, **variables):
            pod = job["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert mounts == {"/recipe", "/project"} and {v["name"] for v in pod["volumes"]} == {"recipe", "project"}
            # The volumes are folders here, and so is the bucket.
            places = {"/project": folder, "/recipe/": f"{recipe.parent}/", "s3://bucket/curate": str(store)}
            command = [*container["command"], *container["args"]]
            for place, here in places.items():
                command = [part.replace(place, here) for part in command]
            given = {one["name"]: one["value"] for one in container["env"]}
            env = environment(folder, **given, **variables)
            return subprocess.Popen(command, cwd="/", env=env, stderr=subprocess.PIPE, text=True)

        running = [start(tasks, JOB_COMPLETION_INDEX=str(i)) for i in range(TASKS)]
        for pod in running:
            errors = pod.communicate()[1]
            assert pod.returncode == 0, errors
        last = start(collect)
        errors = last.communicate()[1]
        assert last.returncode == 0, errors
        made = program("--project", folder, "corpus", "build", recipe)
        assert all(stage["cached"] for stage in made["stages"]), made
        assert payload(made) == payload(program("corpus", "build", project(alone)))


if __name__ == "__main__":
    run_tests([the_tables_answer_the_queries_of_the_docs, a_slurm_array_runs_as_written, kubernetes_jobs_run_as_written])
