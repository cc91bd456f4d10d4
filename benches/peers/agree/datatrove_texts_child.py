"""Runs in datatrove's environment: what C4QualityFilter and PIIFormatter make of each text. TO FOLDER"""

import json
import sys

from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter
from datatrove.pipeline.formatters import PIIFormatter

from common import documents

c4, pii = C4QualityFilter(), PIIFormatter(email_replacement="|||MAIL|||", ip_replacement="|||IP|||")
with open(sys.argv[1], "w") as to:
    for row in documents(sys.argv[2]):
        one = Document(text=row["text"], id=row["id"])
        kept = c4.filter(one) is True
        print(json.dumps({"id": row["id"], "c4": one.text if kept else None, "pii": pii.format(row["text"])}), file=to)
