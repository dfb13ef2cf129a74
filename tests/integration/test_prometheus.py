"""Prometheus scrapes a real node, loads the alert rules and answers what the dashboard asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests import alerting
from tests.conftest import StartNode
from tests.programs import program
from tests.redis_topologies import free_ports
from tests.timing import until


@asynccontextmanager
async def prometheus(target: str, folder: Path) -> AsyncIterator[str]:
    """Prometheus that scrapes one target twice a second, with the deployed rules; its URL."""
    config = folder / "prometheus.yml"
    scrape = {"job_name": "dorami", "static_configs": [{"targets": [urlsplit(target).netloc]}]}
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
                "rule_files": [str(alerting.RULES)],
                "scrape_configs": [scrape],
            }
        )
    )
    address = f"127.0.0.1:{free_ports(1)[0]}"
    process = await asyncio.create_subprocess_exec(
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    )
    try:
        yield f"http://{address}"
    finally:
        process.kill()
        await process.wait()


async def test_prometheus_scrapes_a_node(start_node: StartNode, tmp_path: Path) -> None:
    node = await start_node()
    async with prometheus(node.url, tmp_path) as url, aiohttp.ClientSession() as http:

        async def ask(path: str, **query: str) -> Any:
            async with http.get(f"{url}/api/v1/{path}", params=query) as response:
                answer = await response.json()
            assert answer["status"] == "success", answer
            return answer["data"]

        async def value(expression: str) -> float | None:
            result = (await ask("query", query=expression))["result"]
            return float(result[0]["value"][1]) if result else None

        async def started() -> bool:
            try:
                async with http.get(f"{url}/-/ready") as response:
                    return response.status == 200
            except aiohttp.ClientConnectionError:
                return False

        async def scraped() -> bool:
            return await value('dorami_ready{job="dorami"}') == 1

        await until(started, within=20)
        await until(scraped, within=20)
        async with http.get(f"{node.url}/metrics") as response:
            families = list(text_string_to_metric_families(await response.text()))
        known = alerting.series_names(families)
        for target in alerting.targets():
            assert alerting.metric_names(target.expression) <= known, target
            await ask("query", query=target.expression)
        assert await value("dorami_draining") == 0
        assert await value("process_resident_memory_bytes / dorami_memory_limit_bytes") is not None
        assert await value("process_open_fds / process_max_fds") is not None
        loaded = (await ask("rules"))["groups"][0]["rules"]
        assert [rule["name"] for rule in loaded] == [rule["alert"] for rule in alerting.rules()]
        assert [rule["lastError"] for rule in loaded if rule.get("lastError")] == []
        assert [alert["labels"]["alertname"] for alert in (await ask("alerts"))["alerts"]] == []

        await node.kill()

        async def noticed() -> bool:
            alerts = (await ask("alerts"))["alerts"]
            return [alert["labels"]["alertname"] for alert in alerts] == ["DoramiDown"]

        await until(noticed, within=20)
