"""Loads CSV files (argument 1: a path or a glob) into PostgreSQL (argument 2: its URL), table `dlt_peer.trips`, in the fastest set-up dlt has:
DuckDB reads them into Arrow batches, dlt writes those as CSV and COPYs it. Argument 3: a folder for dlt's own files.
Prints the seconds of `run`, without Python's start and imports."""

import json
import sys
import time

import dlt
import duckdb

BATCH_ROWS = 100_000


@dlt.resource(name="trips")
def trips(files):
    yield from duckdb.read_csv(files).to_arrow_reader(BATCH_ROWS)


def main(files, url, folder):
    destination = dlt.destinations.postgres(url)
    pipeline = dlt.pipeline("bench", destination=destination, dataset_name="dlt_peer", pipelines_dir=folder)
    begun = time.perf_counter()
    info = pipeline.run(trips(files), write_disposition="append", loader_file_format="csv")
    seconds = time.perf_counter() - begun
    info.raise_on_failed_jobs()
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
