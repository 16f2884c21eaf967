"""Inserts the lines of a file into a table of chdb on disk: rows and CPU seconds.

python insert.py FILE DIRECTORY
"""

import resource
import sys

from chdb import session

path, directory = sys.argv[1:]
database = session.Session(f"{directory}/chdb")
others = ", ".join(f"`attribute.number.{number}` LowCardinality(String)" for number in range(18))
database.query(f"""
    CREATE TABLE events (time Int64, `service.name` LowCardinality(String),
    `http.response.status_code` Int64, latency_ms Int64, {others})
    ENGINE = MergeTree ORDER BY (`service.name`, time)""")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


before = cpu()
database.query(f"INSERT INTO events SELECT * FROM file('{path}', JSONEachRow)")
after = cpu()
rows = str(database.query("SELECT count() FROM events", "CSV")).strip()
print(rows, after - before)
