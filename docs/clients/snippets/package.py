import asyncio

from dorami_client import Dorami, DoramiError, Session

URL = "http://localhost:3001"


async def main() -> None:
    async with Session(URL) as session:
        await session.login("viewer2@example.com", "dorami-dev")
        async with Dorami(URL, session.token) as dorami:
            chat = dorami.chat("demo")
            chat.on("chat:message", lambda message: print("message", message["message"]))
            joined = await chat.join()
            print(joined["members"], "people are here")
            try:
                sent = await chat.send("hello from Python")  # returns when the message is stored
                print("stored as", sent["seq"])
                await chat.send("x" * 501)
            except DoramiError as error:
                print("refused", error.code)


asyncio.run(main())
