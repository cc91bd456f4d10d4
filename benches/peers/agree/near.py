"""MinHash with FineWeb's parameters beside datatrove's and rensa's: has a document the same fate, kept or marked as a near copy?

Which of its near copies stays is not compared: datatrove keeps the root of its union by size, here it is the first. Functions
and words differ on purpose, so that pairs on the slope of the curve 1 - (1 - s^8)^14 fall either way; how far a peer agrees
with itself under another seed shows how much of it that is.
"""

import json
import os

from common import child, dedup, documents, tell


def later(rows):
    """The documents that are not the first of their cluster."""
    seen, found = set(), set()
    for row in rows:
        if row["cluster"] is not None and row["cluster"] in seen:
            found.add(row["id"])
        seen.add(row["cluster"])
    return found


def chance(s):
    return 1 - (1 - s**8) ** 14


def classes(args, unequal):
    """Why they differ: other words, or the chance of the functions, for the document itself or for one that is surely its copy."""
    path = os.path.join(args.work, "near-ids.json")
    with open(path, "w") as to:
        json.dump(sorted(unequal), to)
    cache = os.path.join(args.work, "peers", "near_pairs-copies-near-ids.json.jsonl")
    if os.path.exists(cache):
        os.remove(cache)
    pairs = {row["id"]: row for row in child(args, "datatrove", "near_pairs.py", args.copies, path)}

    def slope(one):
        return any(0.0005 < chance(s) < 0.9995 for kind in ("theirs", "ours") for s in pairs[one][kind].values())

    found = {}
    for one, row in pairs.items():
        theirs, ours = (chance(max(row[kind].values(), default=0)) for kind in ("theirs", "ours"))
        if abs(theirs - ours) > 0.5:
            found[one] = "other words"
        elif slope(one):
            found[one] = "on the slope of the curve"
        elif any(slope(other) for other in row["ours"] if other in pairs):
            found[one] = "its copy on the slope of the curve"
    return found


def main(args):
    ids = [row["id"] for row in documents(args.copies)]
    mine = {one for one, spans in dedup(args, args.copies, "ours-near", "--by", "near", "--preset", "fineweb").items() if spans}
    runs = {
        "datatrove, its words": later(child(args, "datatrove", "near_datatrove.py", args.copies, "1", "theirs")),
        "datatrove, our words": later(child(args, "datatrove", "near_datatrove.py", args.copies, "1", "ours")),
        "rensa, our words": later(child(args, "dolma", "near_rensa.py", args.copies, "42")),
    }
    why = classes(args, set().union(*(mine ^ found for found in runs.values())))
    for name, found in runs.items():
        peer, kind = name.split(", ")
        version = {"datatrove": "0.10.1", "rensa": "0.5.0"}[peer]
        tell(f"{peer} {version}", f"near copies, {kind}", len(ids), [(one, why.get(one)) for one in sorted(mine ^ found)],
             marked=[len(mine), len(found)])
    others = {
        "datatrove 0.10.1": (runs["datatrove, its words"],
                             later(child(args, "datatrove", "near_datatrove.py", args.copies, "2", "theirs"))),
        "rensa 0.5.0": (runs["rensa, our words"], later(child(args, "dolma", "near_rensa.py", args.copies, "43"))),
    }
    for peer, (one, other) in others.items():
        tell(peer, "near copies, the peer with another seed", len(ids), sorted(one ^ other), marked=[len(one), len(other)])
