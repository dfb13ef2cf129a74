import asyncio

import aiohttp
import socketio

URL = "http://localhost:3001"


async def main() -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{URL}/api/v1/auth/guest", json={}) as answer:
        token = (await answer.json())["accessToken"]
    chat = socketio.AsyncClient()
    seen: dict[str, object] = {}

    async def show(payload: dict) -> None:
        seen.update(epoch=payload["epoch"], seq=payload["seq"])
        print(payload["data"]["username"], payload["data"]["message"])

    async def join() -> None:
        ask = {"liveId": "demo"} | ({"since": seen.copy()} if seen else {})
        joined = await chat.call("chat:join-room", ask, namespace="/chat")
        if not joined["ok"]:
            raise RuntimeError(joined["error"]["code"])
        seen.update(joined["data"]["cursor"])
        for missed in joined["data"].get("events", []):
            print("missed", missed["event"])
        print("joined", joined["data"]["recovered"])

    chat.on("chat:message", show, namespace="/chat")
    # At every connect, because this library does not recover; in a task, because the answer needs the reader.
    chat.on("connect", lambda: chat.start_background_task(join), namespace="/chat")
    # offset: False, because handlers take exactly one argument.
    await chat.connect(
        URL, auth={"token": token, "offset": False}, namespaces=["/chat"], transports=["websocket"], wait_timeout=10
    )
    await chat.wait()


asyncio.run(main())
