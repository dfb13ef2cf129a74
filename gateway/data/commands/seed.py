"""`dorami db seed`: creates data for development. Also called after a reset."""

from collections.abc import Awaitable, Callable

from gateway.data.report import Report
from gateway.data.stops import Code, Stop
from gateway.data.target import Target
from gateway.postgres.databases import MAIN
from gateway.postgres.migrations import Migrations
from gateway.seeds import main as seeds


async def seed(report: Report, target: Target, *, check: bool, size: int = 0) -> None:
    """Create the missing seeds, or with `check` count them. Raises Stop in production and before all migrations."""
    async with target.connect(read_only=True) as connection:
        if await target.production(connection):
            raise Stop("seeds and their password are for development", code=Code.REFUSED)
    if (await Migrations.of(target.settings, target.spec).status()).pending:
        raise Stop("migrations are missing: dorami db migrate")
    if target.spec != MAIN:
        report.line("there is nothing to create")
        return
    there, wanted = await seeds.present(target.settings)
    report.facts |= {"there": there, "wanted": wanted}
    if check:
        report.ok = there == wanted
        report.line(f"{wanted - there} are missing, {there} exist")
        return
    await seeds.sow(target.settings)
    made = (await seeds.present(target.settings))[0] - there
    report.facts["made"] = made
    report.line(f"made {made}, there were {there}")
    if size:
        from gateway.commands.progress import Bars
        from gateway.seeds import large

        with Bars() as bars:
            done = bars.add("seeds", size, "messages")
            async for step in large.sow(target.settings, size):
                done(step.done)
        report.facts |= {"messages": step.messages, "orders": step.orders}
        report.line(f"made {step.messages} messages and {step.orders} orders of the last {large.DAYS} days")


def sower(report: Report, target: Target) -> Callable[[], Awaitable[None]]:
    """Return the function that seeds after a reset."""
    return lambda: seed(report, target, check=False)
