import asyncio

import aiohttp
import socketio

URL = "http://localhost:3001"


async def main() -> None:
    async with aiohttp.ClientSession() as http, http.post(f"{URL}/api/v1/auth/guest", json={}) as answer:
        token = (await answer.json())["accessToken"]
    client = socketio.AsyncClient()
    client.on("chat:message", lambda message: print(message["data"]["message"]), namespace="/chat")
    await client.connect(
        URL, auth={"token": token, "offset": False}, namespaces=["/chat"], transports=["websocket"], wait_timeout=10
    )
    joined = await client.call("chat:join-room", {"liveId": "demo"}, namespace="/chat")
    print(joined["data"]["members"], "people are here")
    await client.wait()


asyncio.run(main())
