"""How pytest-xdist gives files of tests to its workers, also when one of them has died. Called by conftest.

Its own scheduling by files waits for ever after that: it gives files to other workers of which no test is left, or one,
and a worker asks for further ones when it has run a test, which it does when it knows the next. It also runs the test
again with which the worker died.
"""

from typing import Any

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]
    """`--dist=loadfile` that goes on when a worker dies."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Give what a worker has not run to the others, but for the test with which it died: that is the answer."""
        work = [(scope, tests) for scope, tests in self.assigned_work.pop(node).items() if not all(tests.values())]
        if not work:
            return None
        unfinished = work[0][1]
        died_with: str = next(name for name, done in unfinished.items() if not done)
        unfinished[died_with] = True
        self.workqueue.update((scope, tests) for scope, tests in work if not all(tests.values()))
        for other in self.nodes:
            self._reschedule(other)
        return died_with

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker two tests, or tell it that there are no more; one that has just been started comes later."""
        while (
            node in self.registered_collections
            and not node.shutting_down
            and self._pending_of(self.assigned_work[node]) < 2
        ):
            super()._reschedule(node)


def scheduling(config: Any, log: Any) -> FileScheduling | None:
    """Return the scheduling of `--dist=loadfile`, and None for others, which are those of pytest-xdist."""
    return FileScheduling(config, log) if config.getoption("dist") == "loadfile" else None
