"""Times `regimen runs` on a store; see runs.sh."""

import json
import pathlib
import statistics
import subprocess
import sys
import time

LIMIT_MS = 50


def once(command):
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return 1000 * (time.perf_counter() - began), done.stdout.count(b"\n") - 1


def main():
    regimen, project = sys.argv[1:]
    base = [regimen, "--project", project, "runs"]
    (pathlib.Path(project) / ".regimen/index.sqlite").unlink(missing_ok=True)
    first, rows = once(base)
    print(json.dumps({"name": "runs, first call", "unit": "ms", "ours": round(first, 1), "rows": rows}))
    missed = False
    for name, args in [
        ("runs", []),
        ("runs, filter and order", ["loss < 1.2 and lr >= 1e-3", "--sort", "loss"]),
    ]:
        times = [once(base + args) for _ in range(20)]
        middle = statistics.median(ms for ms, _ in times)
        missed |= middle > LIMIT_MS
        row = {"name": name, "unit": "ms", "ours": round(middle, 1), "rows": times[0][1], "runs": len(times)}
        print(json.dumps(row))
    sys.exit(missed)


main()
