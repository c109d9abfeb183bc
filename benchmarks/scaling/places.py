"""Which core does what: a worker is alone on its core, and what loads it runs on others."""

from __future__ import annotations

import os

import msgspec


class Place(msgspec.Struct, frozen=True):
    """The cores, as the kernel numbers them, of one worker, of its engine, and of its load and log reader."""

    worker: int
    engine: int
    load: int


class TooFewCores(Exception):
    """The machine cannot run all parts beside one another."""


def places(workers: int, chosen: list[list[int]] | None = None) -> list[Place]:
    """A place for each worker, the same ones whether all or some of them run.

    `chosen` are the cores of the workers, of the engines and of the loads; virtual machines do not always tell which
    of their cores are threads of one. Raises TooFewCores.
    """
    if chosen is None:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 3 * workers:
            raise TooFewCores(f"{workers} workers need {3 * workers} cores, this machine has {len(cores)}")
        chosen = [cores[:workers], cores[workers : 2 * workers], cores[2 * workers : 3 * workers]]
    if [len(each) for each in chosen] != [workers] * 3:
        raise TooFewCores(f"each of the three parts needs {workers} cores, not {[len(each) for each in chosen]}")
    return [Place(*each) for each in zip(*chosen, strict=True)]
