"""Processes of tests' own, for tests to kill."""

from __future__ import annotations

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
"""Each is forked from one process of the whole test run, which has imported once what all of them need."""

PROCESSES.set_forkserver_preload(["tests.e2e.index_slowly", "tests.e2e.serve_replica"])
