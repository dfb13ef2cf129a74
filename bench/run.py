"""The benchmark: runs the scenarios, prints the goals and writes `docs/performance.md`. Called by `make bench`.

make bench                                     all scenarios, some twenty minutes; writes docs/performance.md
make bench ARGS=--quick                        the scenarios of goals except the storm, one short repeat: four minutes
make bench ARGS="--only ingest,connect"        some scenarios; only prints
make bench ARGS="--only storm --storm 5000"    the storms, the larger one with so many clients
make bench ARGS="--only growth"                a small shop beside a large one; writes docs/performance/growth.md
make bench ARGS="--soak 60"                    an hour of mixed load; writes docs/performance/soak.md

No other programs should run at the same time. Rows that they disturb do not count if another repeat was not disturbed,
and are marked otherwise. All started processes end with this one, even if it is killed.
"""

import argparse
import json
import os
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import growth, report, soak
from bench.goals import NEEDED
from bench.scenarios import ONCE, SCENARIOS, STORMS, SWEEPS, Scenario, family, storm, timed
from bench.servers import BUILD, ServerError, build
from bench.stage import FailedError, Measurement, Stage

RESULTS = BUILD / "results.jsonl"  # all measurements of all runs


class Run:
    """The measurements and the failures of one run."""

    def __init__(self) -> None:
        self.measurements: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
        self.failures: list[str] = []

    def play(self, scenarios: Sequence[Scenario], repeats: int) -> None:
        """Measure each scenario with each of its servers, and repeat all of them in turn: a disturbance affects all.

        Only measurements that goals need are repeated, except those of ONCE.
        """
        with Stage() as stage, RESULTS.open("a") as results:
            for repeat in range(repeats):
                for scenario in scenarios if repeat == 0 else _repeated(scenarios):
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
    """Run the scenarios of the command line."""
    parser = argparse.ArgumentParser(prog="make bench", description="The gateway beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one short repeat, only what the goals need; no report")
    names = ", ".join(dict.fromkeys(family(scenario) for scenario in (*SCENARIOS, *SWEEPS)))
    parser.add_argument("--only", metavar="NAMES", help=f"comma separated: {names}, growth")
    parser.add_argument("--servers", metavar="NAMES", help="comma separated; default: all of a scenario")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="that a run is measured, if time ends it (%(default)s)"
    )
    parser.add_argument(
        "--document", type=Path, metavar="FILE", help="write the document here, with its plots, also if not all is run"
    )
    parser.add_argument("--storm", type=int, default=STORMS[-1], metavar="CLIENTS", help="of the larger storm")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="mixed load for so long, and nothing else")
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # context managers stop the processes
    if options.soak:
        print(soak.write(options.soak))
        return
    scenarios = _named(parser, options.only.split(",")) if options.only else list(SCENARIOS)
    if options.only and not scenarios:
        return
    largest = f"storm {STORMS[-1]}"
    scenarios = [storm(options.storm) if scenario.name == largest else scenario for scenario in scenarios]
    if options.servers:
        scenarios = _served(scenarios, options.servers)
    elif options.quick and not options.only:
        scenarios = [scenario for scenario in _needed(scenarios) if family(scenario) != "storm"]
    seconds, warm_up, repeats = (1.5, 0.5, 1) if options.quick else (options.seconds, 1.0, options.repeats)
    scenarios = [timed(scenario, seconds, warm_up) for scenario in scenarios]

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    run, start = Run(), report.Start()
    try:
        build()
        run.play(scenarios, repeats)
        if options.document or not (options.quick or options.only or options.servers):
            run.play([] if options.only else _served(SWEEPS, options.servers), 1)
            report.write(run.measurements, run.failures, repeats, start, options.document or report.DOCUMENT)
    except (ServerError, FailedError) as error:
        sys.exit(str(error))
    print(report.goals_table(run.measurements))
    for scenario in scenarios:
        print(f"\n{scenario.name}: {scenario.title}\n{report.details(scenario, run.measurements)}")
    print(f"\nload of the machine at the end: {os.getloadavg()[0]:.1f}; every run is in {RESULTS}")
    for failure in run.failures:
        print(f"failed: {failure}")


def _named(parser: argparse.ArgumentParser, names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of these names; for `growth` compare the shops now."""
    known = (*SCENARIOS, *SWEEPS)
    scenarios = [s for s in known if s.name in names or family(s) in names]
    unknown = [name for name in names if name not in (*map(family, known), *(s.name for s in known), "growth")]
    if unknown:
        parser.error(f"--only knows {', '.join(dict.fromkeys(map(family, known)))}, growth; not {', '.join(unknown)}")
    if "growth" in names:
        print(growth.compare())
    return scenarios


def _served(scenarios: Sequence[Scenario], servers: str | None) -> list[Scenario]:
    """Return the scenarios with only the servers of these names, separated by commas."""
    if servers is None:
        return list(scenarios)
    wanted = servers.split(",")
    reduced = [replace(s, servers=tuple(n for n in s.servers if n in wanted)) for s in scenarios]
    return [scenario for scenario in reduced if scenario.servers]


def _needed(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Return the scenarios and servers that goals compare."""
    reduced = [replace(s, servers=tuple(n for n in s.servers if (s.name, n) in NEEDED)) for s in scenarios]
    return [scenario for scenario in reduced if scenario.servers]


def _repeated(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Return the scenarios and servers that are measured in each repeat."""
    return [scenario for scenario in _needed(scenarios) if family(scenario) not in ONCE]


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
