"""The event engine: the same tiles as processes and resources of simpy. Slow, and written to be read."""

from __future__ import annotations

import heapq
from collections.abc import Generator
from typing import Any

import numpy as np
import simpy
from simpy.events import EventPriority

from zapsim.kernels.timeline import TENSORS
from zapsim.timing.timeline.schedule import Schedule
from zapsim.timing.timeline.times import Times

Process = Generator[simpy.Event, Any, None]

_AFTER_ALL_ELSE = EventPriority(2)
"""Priority of an event that comes after every other of its cycle (simpy's own are 0 and 1)."""


class _EndOfCycle(simpy.Event):
    """Happens when nothing else is left to happen in this cycle."""

    def __init__(self, env: simpy.Environment) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, priority=_AFTER_ALL_ELSE)


class _Channel:
    """The DRAM channel: one request at a time, first come, first served; of those at once the older tile's."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.waiting: list[tuple[int, int, int, int, simpy.Event]] = []
        self.asked = env.event()
        env.process(self.serve())

    def request(self, tile: int, kind: int, cycles: int) -> simpy.Event:
        """Return the event of the request's last word."""
        served = self.env.event()
        heapq.heappush(self.waiting, (int(self.env.now), tile, kind, cycles, served))
        if not self.asked.triggered:
            self.asked.succeed()
        return served

    def serve(self) -> Process:
        """Work for ever."""
        while True:
            if not self.waiting:
                self.asked = self.env.event()
                yield self.asked
            yield _EndOfCycle(self.env)  # whoever asks in this cycle has asked
            *_, cycles, served = heapq.heappop(self.waiting)
            yield self.env.timeout(cycles)
            served.succeed()


class _Layer:
    """All tiles of a schedule on their resources."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        tiles, jobs = len(schedule.cycles), len(schedule.job_cycles)
        self.env = simpy.Environment()
        self.channel = _Channel(self.env)
        self.started, self.finished, self.stored = ([self.env.event() for _ in range(tiles)] for _ in range(3))
        self.loaded = [[self.env.event() for _ in range(TENSORS)] for _ in range(tiles)]
        self.predicted = [self.env.event() for _ in range(jobs)]
        self.start, self.store_end = np.zeros(tiles, dtype=np.int64), np.zeros(tiles, dtype=np.int64)
        self.load_end, self.job_end = np.zeros((tiles, TENSORS), dtype=np.int64), np.zeros(jobs, dtype=np.int64)

    def run(self) -> Times:
        """Return when everything happens."""
        processes = [self.env.process(process) for process in (self.array(), self.write(), self.predictor())]
        processes += [self.env.process(self.load(tensor)) for tensor in range(TENSORS)]
        self.env.run(until=simpy.AllOf(self.env, processes))
        return Times(self.start, self.load_end, self.store_end, self.job_end, int(self.env.now))

    def load(self, tensor: int) -> Process:
        """Bring one tensor's words, tile after tile, as far ahead of the array as the buffer allows."""
        depth = self.schedule.depths[tensor]
        for tile, cycles in enumerate(self.schedule.loads[:, tensor]):
            if cycles:
                if tile > depth:
                    yield self.finished[tile - depth - 1]
                self.env.process(self.load_one(tile, tensor, int(cycles)))
            else:
                self.loaded[tile][tensor].succeed()

    def load_one(self, tile: int, tensor: int, cycles: int) -> Process:
        """Ask the channel, and hand the words over when they have arrived."""
        yield self.channel.request(tile, tensor, cycles)
        self.load_end[tile, tensor] = self.env.now
        yield self.env.timeout(self.schedule.latency)
        self.loaded[tile][tensor].succeed()

    def array(self) -> Process:
        """Compute one tile after the other."""
        behind = self.schedule.depths[TENSORS]
        for tile, cycles in enumerate(self.schedule.cycles):
            needs = list(self.loaded[tile])
            if tile > behind:
                needs.append(self.stored[tile - behind - 1])
            if self.schedule.waits_for[tile] >= 0:
                needs.append(self.predicted[self.schedule.waits_for[tile]])
            yield self.env.all_of(needs)
            self.start[tile] = self.env.now
            self.started[tile].succeed()
            yield self.env.timeout(int(cycles))
            self.finished[tile].succeed()

    def write(self) -> Process:
        """Take away what tiles leave, in their order."""
        for tile, cycles in enumerate(self.schedule.stores):
            yield self.finished[tile]
            self.env.process(self.write_one(tile, int(cycles), None if tile == 0 else self.stored[tile - 1]))
        if len(self.stored):
            yield self.stored[-1]

    def write_one(self, tile: int, cycles: int, before: simpy.Event | None) -> Process:
        """Ask the channel; a tile without a store is done with the ones before it."""
        if cycles:
            yield self.channel.request(tile, TENSORS, cycles)
            self.store_end[tile] = self.env.now
        if before is not None:
            yield before
        self.stored[tile].succeed()

    def predictor(self) -> Process:
        """Run one job after the other: it starts with the tile that brings its inputs, and does not end before it."""
        for job, (tile, cycles) in enumerate(zip(self.schedule.job_after, self.schedule.job_cycles, strict=True)):
            if tile >= 0:
                yield self.started[tile]
            yield self.env.timeout(int(cycles))
            if tile >= 0:
                yield self.finished[tile]
            self.job_end[job] = self.env.now
            self.env.process(self.hand_over(job))
        if len(self.predicted):
            yield self.predicted[-1]

    def hand_over(self, job: int) -> Process:
        """Give the mask to the array when it has left the unit's pipeline."""
        yield self.env.timeout(self.schedule.job_latency)
        self.predicted[job].succeed()


def run_events(schedule: Schedule) -> Times:
    """Return when everything happens."""
    return _Layer(schedule).run()
