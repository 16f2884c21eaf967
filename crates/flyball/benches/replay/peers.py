"""Counts events and good events per service and minute with DuckDB or chdb (ClickHouse).

usage: peers.py ENGINE FILE THREADS

Each engine gets its best reasonable form: the four columns it needs with their types given, no
guessing, no unused column parsed. Prints one line of JSON: the version, the CPU seconds of the
query alone (starting Python and loading the engine is not counted), the rows, and both sums.
"""

import json
import resource
import sys


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def duckdb_count(path, threads):
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    query = f"""
        SELECT "service.name", date_trunc('minute', time) AS minute, count(*),
               count(*) FILTER ("http.response.status_code" < 500 AND duration_ms <= 300)
        FROM read_json('{path}', format = 'newline_delimited', columns = {{
            'time': 'TIMESTAMP', 'service.name': 'VARCHAR',
            'http.response.status_code': 'SMALLINT', 'duration_ms': 'DOUBLE'}})
        GROUP BY 1, 2"""
    return duckdb.__version__, lambda: connection.execute(query).fetchall()


def chdb_count(path, threads):
    import chdb

    query = f"""
        SELECT `service.name`, toStartOfMinute(time) AS minute, count(),
               countIf(`http.response.status_code` < 500 AND duration_ms <= 300)
        FROM file('{path}', JSONEachRow, 'time DateTime64(3, ''UTC''),
            `service.name` LowCardinality(String), `http.response.status_code` UInt16,
            duration_ms Float64')
        GROUP BY 1, 2
        SETTINGS date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1,
                 max_threads = {threads}, max_parsing_threads = {threads}"""
    # The engine starts with its first query; that is not part of the count.
    chdb.query("SELECT 1")

    def run():
        text = chdb.query(query, "JSONCompactEachRow").data()
        rows = (json.loads(line) for line in text.splitlines())
        return [(row[0], row[1], int(row[2]), int(row[3])) for row in rows]

    return chdb.__version__, run


def main():
    engine, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    version, run = {"duckdb": duckdb_count, "chdb": chdb_count}[engine](path, threads)
    before = cpu_seconds()
    rows = run()
    seconds = cpu_seconds() - before
    print(json.dumps({
        "version": version,
        "cpu_seconds": seconds,
        "rows": len(rows),
        "valid": sum(row[2] for row in rows),
        "good": sum(row[3] for row in rows),
    }))


main()
