"""Counts with DuckDB on two threads: recount.py VIEW.sql FILE total|meters. Prints {"rows": …, "seconds": …} as JSON.

total is the public definition's query: the active users of each month. meters adds those of each class.
"""
import json
import sys
import time

import duckdb

TOTAL = "SELECT CAST(month AS VARCHAR), 'total', count(DISTINCT user_id) FROM active WHERE user_id IS NOT NULL GROUP BY ALL"
METERS = TOTAL + " UNION ALL SELECT CAST(month AS VARCHAR), meter, count(DISTINCT user_id) FROM active WHERE user_id IS NOT NULL GROUP BY ALL"

view, file, which = sys.argv[1:]
start = time.perf_counter()
db = duckdb.connect()
db.execute("SET threads = 2")
db.execute("SET VARIABLE file = ?", [file])
with open(view) as statements:
    db.execute(statements.read())
rows = db.execute({"total": TOTAL, "meters": METERS}[which]).fetchall()
print(json.dumps({"rows": rows, "seconds": time.perf_counter() - start}))
