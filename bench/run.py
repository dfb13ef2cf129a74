"""The benchmark: plays the scenarios, prints the goals and writes `docs/performance.md`. Called by `make bench`.

make bench                                     everything, about half an hour
make bench ARGS=--quick                        the goals in two minutes, one repeat: for a first impression
make bench ARGS="--only ingest,connect"        some scenarios; nothing but the terminal is written to
"""

import argparse
import json
import os
import resource
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from bench import growth, report
from bench.goals import NEEDED
from bench.scenarios import SCENARIOS, SWEEPS, Scenario, timed
from bench.servers import BUILD, ServerError, build
from bench.stage import FailedError, Measurement, Stage

RESULTS = BUILD / "results.jsonl"  # every run, for looking closer


class Run:
    """The measurements of one run and what went wrong."""

    def __init__(self) -> None:
        self.measurements: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
        self.failures: list[str] = []

    def play(self, scenarios: Sequence[Scenario], repeats: int) -> None:
        """Every scenario with every server, in turn, so that what disturbs the machine meets all of them.

        What no goal needs is not repeated.
        """
        with Stage() as stage, RESULTS.open("a") as results:
            for repeat in range(repeats):
                for scenario in scenarios if repeat == 0 else _needed(scenarios):
                    for server in scenario.servers:
                        _progress(f"{repeat + 1}/{repeats} {scenario.name}: {server}")
                        try:
                            measurement = stage.measure(scenario, server)
                        except (FailedError, ServerError) as error:
                            self.failures.append(f"{scenario.name}, {server}: {error}")
                            continue
                        self.measurements[scenario.name, server].append(measurement)
                        entry = {"scenario": scenario.name, "server": server, "repeat": repeat, **measurement}
                        results.write(json.dumps(entry) + "\n")
        _progress("")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench", description="The gateway beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one short repeat, only what the goals need; no report")
    parser.add_argument("--only", metavar="NAMES", help="comma separated: " + ", ".join(s.name for s in SCENARIOS))
    parser.add_argument("--servers", metavar="NAMES", help="comma separated; default: all of a scenario")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    scenarios = _named(parser, options.only.split(",")) if options.only else list(SCENARIOS)
    if options.only and not scenarios:
        return
    if options.servers:
        wanted = options.servers.split(",")
        scenarios = [replace(s, servers=tuple(n for n in s.servers if n in wanted)) for s in scenarios]
    elif options.quick:
        scenarios = _needed(scenarios)
    seconds, warm_up, repeats = (1.5, 0.5, 1) if options.quick else (3.0, 1.0, options.repeats)
    scenarios = [timed(scenario, seconds, warm_up) for scenario in scenarios]

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    run, start = Run(), report.Start()
    try:
        build()
        run.play(scenarios, repeats)
        if not (options.quick or options.only or options.servers):
            run.play(SWEEPS, 1)
            _progress("growth")
            growth.compare()
            report.write(run.measurements, run.failures, repeats, start)
    except (ServerError, FailedError) as error:
        sys.exit(str(error))
    print(report.goals_table(run.measurements))
    for scenario in scenarios:
        print(f"\n{scenario.name}: {scenario.title}\n{report.details(scenario, run.measurements)}")
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}; every run is in {RESULTS}")
    for failure in run.failures:
        print(f"failed: {failure}")


def _named(parser: argparse.ArgumentParser, names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of these names; compare the shops at once if that is asked for."""
    scenarios = [scenario for scenario in (*SCENARIOS, *SWEEPS) if scenario.name in names]
    if len(scenarios) + names.count("growth") < len(names):
        parser.error(f"--only knows {', '.join(s.name for s in (*SCENARIOS, *SWEEPS))}, growth")
    if "growth" in names:
        print(growth.compare())
    return scenarios


def _needed(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Only what the goals compare."""
    reduced = [replace(s, servers=tuple(n for n in s.servers if (s.name, n) in NEEDED)) for s in scenarios]
    return [scenario for scenario in reduced if scenario.servers]


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
