"""Half the indexes of messages: what the new ones do is no longer done by those before."""

from tortoise import BaseDBAsyncClient

from migrations import functions

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    # The names of the constraints are those that Tortoise gave them.
    return (
        functions.apply("sent_message")
        + """
ALTER TABLE "messages" DROP CONSTRAINT IF EXISTS "uid_messages_stream__402bf7";
ALTER TABLE "messages" DROP CONSTRAINT IF EXISTS "uid_messages_stream__fd8922";
DROP INDEX "messages_shown";"""
    )


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE INDEX "messages_shown" ON "messages" ("stream_key", "seq") WHERE "deleted_at" IS NULL;
        ALTER TABLE "messages" ADD CONSTRAINT "uid_messages_stream__fd8922" UNIQUE ("stream_key", "seq");
        ALTER TABLE "messages" ADD CONSTRAINT "uid_messages_stream__402bf7"
            UNIQUE ("stream_key", "sender_id", "client_message_id");
        CREATE OR REPLACE FUNCTION "sent_message"("room" TEXT, "sender" TEXT, "client_id" TEXT)
        RETURNS TABLE ("id" UUID, "seq" BIGINT, "created_at" TIMESTAMPTZ, "text" TEXT)
        LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
        AS $$
            SELECT
                m.id, m.seq, m.created_at,
                coalesce(m.text, (SELECT d.text FROM message_deletions d WHERE d.message_id = m.id))::text
            FROM messages m
            WHERE m.stream_key = room
                AND (m.sender_id, m.client_message_id) >= (sender, client_id)
                AND (m.sender_id, m.client_message_id) <= (sender, client_id)
            ORDER BY m.sender_id, m.client_message_id
            LIMIT 1
        $$;"""


MODELS_STATE = (
    "eJztXW1z2za2/isYf9neGdUTy3GSze7cGTtxW3cdu9cv284mHQUiIQtrilAI0Irutv99cc"
    "AX8QWkSYmUKAYfdhuTOCD1AATOec4L/nMwYzZx+OGPPuHilnBOmXvwFv3nwMUzIv+hvT9A"
    "B3g+X92FCwKPHSXwAC1HPGiqbuExFx62hLw7wQ4n8pJNuOXRuQiednDtEhRKIDZBTP6puh"
    "mgBRVTJKYE3f50+v3w5BXcpoIjj0w8wuUt9khcfoguBKIcTYlHkO8K6shGcGHGnogtG6Eb"
    "YlN+CG9jM0u+DnUftv1g36VffDIS7IHIfj35+I+/y8vUtclXwuHPjyF41D6Qdz4ekK9zKh"
    "82wuLgd2g6fxxNKHHs1ACFrw9Csom6PxLLubr3boq9H5QE/PDxyGKOP3PzUvOlmMo/IjGJ"
    "D1x9IC7xsCB2YuBc33HCkY4uBb9LXhCeT+IfZK8u2GSCfQeGH6SDN1ldOxiNrq7vRrfnd6"
    "PRQW5qRBKJQQsvWXJ2yWlFXcEVHjP8deQQ90FM5Z+vXv4ZPGeFR9AKHvjP05t3P53efPfq"
    "5f/AA5mcm8HUvQrvDNWtP1UXWOCgEzVCK9jjkaoBelKmGcijCyvMV1/Y3oK+AtkmT9QidS"
    "BeSfQQYLkMVUBYtiqEWN1LY2z5nkdcUQfkhEgPUW5+GvO5FuBTz8PLguV5rsfXoVy0BfDB"
    "3ye+awF2aOxTR1C5vcHz/vegJdhLYL47/+3u4+9ZGLFTa5pG7deao+He9a1MUY8JwAJUjR"
    "zC7+UdQWdEj3JaMoO1HYoeRv/YP+TLZunFh/Pbu9MPv0D3M86/OAqu07tzuDNUV5eZq99l"
    "F+e4E/Trxd1PCP5E/7q+OldoMi4ePPXEVbu7fx3AO2FfsJHLFiNsJzGJLkeX0mu9R9Yc5b"
    "RkA6PctT2gT8Ps87XGOCFmBrjTA5wwDGuOcVrSDHPnhhns/MljwuSEC2NsPS6wZ49yd9iQ"
    "FbXN35oNZ9kr2MUPapAATXjPkO/5mY0PNDQQXB6UsT//ZuManI9s/RYtpligBeYI80diD9"
    "CULaSMFxApg+C2JV8jYGAO0d2UIDnVfIKoG9ArUkT+JuQyNGMeQWKKXcXVUFvP+GznsVX4"
    "HrnkeiEhkNhhFfnDpVrlc92d9F4MZFEhOaTjJ+7vL97rFwctM+H78veATDuUUMLqUE+C/3"
    "u5C5ND6czHweee/JDVTy/ngh7l76tjmETte2g8Hw8rWCbHw0LLBG5lrL74O6hs98US2wP4"
    "4P/uz+/P37c1b9MgH1WhgY6KWaCjHAk09xjMdw3MtzPsOBeu0EOdlMuATd3WmIoXbaH8AG"
    "/w/fHw9as38q56QfjjdQnctx9OLy8vru5yzKXA1KnHXEYSW5y125mvJy9eVJiwslXhjFX3"
    "MowF+QJ0eh7in2+vrwqoipVIVvOllkB/oDbptd3ovABGSt2NMP3uw+lvWbjfXV6fZbc/6O"
    "AsBz33dVRcGfKRxEbA7w811A7uvltHnQubb6DP7Q/ez2pvKxQdpls1yve5SMbscck9Tlo3"
    "9RmIlZRhHzrHPhiyuNpHJH+gfe06y3CN3JNhD5fz0lGXxpO33qinJY0jqMvfNpEQrjPGST"
    "kzwl0e4QSzWFVfTIg0yQF2d1CfURpzVHwa3Ty0PzCP0Af3HySI6riQ74FdbTRSSKffh93s"
    "J6Srq6tP2cOLmIZOTij52+UvJkL9+hs5u28u3kl9cjfODQW7xrsRDUexewN+UQ3/BrYs5r"
    "sCokQ5It/PMHWQ/IaBMYMgUS7khLHBn+CwBfGQhTlBTKoVA8QZ+BNEGE0aDDw0JE/EWyI+"
    "J44jR0jv3tjKU6t4N4yjomOOCjKrSUrGAr2LEB6eVImhkq1KYilzUVSwPKh/14A4KWMcQh"
    "UcQnPM+YLJPWCK+bQO0jnBHsI9PDmpNK1PSqb1ST440Kk1paP2W3Rk3N+e3+yr821PPJyn"
    "7+4u/nm+tyD7EFMN1qtUSjjTEOklcGtk+xdU3IqXzpCIxej3l0T05/aao56WNKPelVHXcE"
    "7q7WuEK66mBwQJava7s1Dsh3/cEAcLql1o04GIezb4RcRJ6uOZSTsdP2iDceog9CHoZv92"
    "pTogBaQSJBo3g9b7sLu+zi15i+DZpmDdql76ihHEosgdCCzFTYG6VF39KnvqK1jwQz2Fws"
    "hhD5t+hHFn567wln3FbE43Xq5+of1donDAsm68SIX99BUnh05gmYrh2hpa+6gucOIKqbYK"
    "OqEWbgCuq0RXPYUshdZ24drL71Fu8sTbFKhr6KRPCLXpxo0sHI0nN2H8FDtzI0Oruj83lA"
    "irA0Gul7SHp8xDmEOtoCVaQB2gxZRAIphKLoOFR++lXbOvT+4n9zMHNhJc65/BTwtViqgN"
    "eWoYgTcJQSdBHaO/oc9wRTXjRKCJvKV82IcI3iHgXdTVMZNv8UjInKNPB9Ajh9w32e3EYz"
    "N4xCdXXQke/elA1UoKPcSrYR8g7NrqhawpsR4Db3L4Ch6ZEwzpcSJ8DjQTCxY8waYSDY8Q"
    "8C9/ck9REC1gRzChKVaZdoJ8FaraEmToUSso0QT+zjF4sYkrf4pFZNeMVfRSG4/0Tj3SnH"
    "zRrJj0oTASOxTYXiB2m1xgEIv91+Hw+Pj18MXxqzcnL1+/PnnzIo7Mzt8qi9M+u/gRorQH"
    "Sf4vH7YdLx61XCBJoR76TZuvqGJiAbZStqbrnumtgdu8yxT22jrgRu2Na7Saa9ShYJVGTH"
    "a99Vgr3D/gm18xjEN6HQ2v467IvAc6NB/WyU9LSZokhy6PcuDOqqvKBkKPZNlTTaAdXXYn"
    "yST78+2sn0vCY2/qhtkkvXPLDjL5JKnPvSCjJDttG8C1YpZON+dqd5J01gveuHbJHZP/10"
    "YIx56MWB3ncXW4qrmQ9wWi9VwH8VwpdiEkp9OzroTVjK7mU/h1ymKiGyc8AtNlQKQvwmQs"
    "jqn9VtH0QHd7xGKePUAQSYjGS+SyMbOXaOwLhH2bCuZpTjpo91FVssEixXq8LKh4RyDoIz"
    "78IHm3kKQvM56LdZNSq7ll0r6T2smghKE3LFDLZazqZiOYHASTg/CNR6NXyUHIbTdVd4eV"
    "YNO7QzeUp7X2h2TpkHCXzuugJW7bpNRavtuuLVtbc92WMAckipLd0MCtH3fbsdGoausmZ2"
    "EF/iC9EphaH2XQ5pbbBsiEnJ6fH4bI3q060ysnxXRStX92FNKWTZUh2CgCL2QcNdbzioss"
    "NprDZJRqprI6qU8JBHVNHom0RuUzeXAqH2MzruxYF2qVIGuK3QfCVUWToJgJWLNzj86wtw"
    "TZgqMAG3wABOrdJYPTPDLxOcSmSVVRztOZioCDIvNMrkpYFUJVcXcqt/utqsgiLXWHPkXv"
    "pWLgwiprwaswgVRe8poVWcAF8nthrflkgylLHEs4kU18Tzaae8z2reBGoYke+lmqWjeNum"
    "U6VG+k/RMJBRX1gmFigR76wIaVDMlhiSE5zBuSyTfL4XxHvhbovhmxHpT3LjMTz3+7S1mI"
    "ucLHsZV4eX31Y9Q8Ww15Lytk3L776fz9/eX+HgPArSmxfWe98p8ZWRM50e3ICVPmtf+jDG"
    "XL1xjihJgZ3y6Prynj2/cRtuS3uNZBfylBM8ZdHmMKTIKAgMTaJQ01oo04BXtoOGczdUeQ"
    "Wgk54SOgWDTeDMYcgl097kVdZMAfyz7asjbiK9v9us6ury9TH9bZRdaAu/9wdi4NDzUish"
    "EVCW9GKpSJ4MfREyWLsKZyGv/iM8cyYr05k2V49PL1yzfHr17GPqT4SpnrKA+sYAI7ayCb"
    "kzPQZqE1sQTFUPc3lsDUM+zbqGsUs1yorc7PkVcTSoIeCjow8Q/rpq5HbqjcKBRH8yRETC"
    "hPeTjJVHswngl0SLvYExOqQghJdgloAN9fVj3t15pRFeGCZTOFtnwXdHV/eVkWULLDkqr7"
    "MrnTbPGOCl/uyTRNYbXjupf7CJkpe9mxspf7OIkU8TaigmxcxFiV2ruQHfV1RoW758bfXG"
    "V1Yy9RUoF9G0J0I/vo0fe2ZlavNcVixIkQ8qHNpKi+kz3ehh32DN8aQbZn2HWJ/Z48UQt+"
    "VS7UNnV/UBZwO1Yt5S+FphXjbqESIzQPyktGuxSxo/qS8b6F5HOdJRIMMQg/De5zEFMlGl"
    "Ung7gwYyr0tqVnaAJiP8b7bGhUBDJB+GomW3V1o3J9yDIyqCr3E87i7oa1bpH5KQ52tePp"
    "XtVVupLoYbhr805S4trrhB0kxEzQQXe4bU0AYHodrEqnZsQMpfpMbZ+ENbYh7dfD8wwG2f"
    "o+6cmVIvzend6+O31/vqsjo1OqqEYJy6qqxUpYSk2upoNBGlEkAcoOlN6GblRW0t+kygT/"
    "VXXEGRTmkH8uVK5QoBSpwdRUBGms1w2KbPOuFHDrYcBTSdFtR+4VMDXlPJSvYmuMtdsZdp"
    "ziIty6DnoTLHI8fP0qVmbhjzL19fbD6eVl3lM58dj/E82yXxpVthIycWQ14sgCK3AkJyxb"
    "EJ1VVoZ5Xthg/wz2OX1nvZxuXlD3sGZK9+3aVQ/3IqObV6h52Jyak/DbaZSctFevWMVJOh"
    "KrskzQOMiHjpy1CHsEOYw9ErjhMf9hCnXJBoi6SldR6gnzEhpKmCYt78vPOWSFZjq6qd2H"
    "VUnEXg1rPYbJnEDSdH2zRTidq2qfUfseskhHlZKmj0qSpo/ySdO4wAAuRngl0UOM31RA+E"
    "0hvm9MbbO+R6ZWiUeOxq52bbOVoGHvNLXNdkVHdIznboOPKCNJt14AvWN4N2kL6JeJBsDt"
    "eVhvbklttxh6TbssGyGoq1edDyIsqVedCl+szkKros/STnp4i1ZdBAWkw4pYUCVaTqXJ5B"
    "DBe9DQtJJ7W1S0KlE/y9az0q08pZ5VNlAGlSp3JUFhXuYa98f/JnFkcq2S1SZuYJdxA8Ya"
    "Se3tx8MKe/vxsHBvh1sZFSr1ZVTWoVJSRod6Pj5jx5XvO4Z2M+q/qcXeei12mwhMHY3D8e"
    "fb66uiwK1YJMtSQM3MPxDQzW2txAmGc+xTR1CXH8Jjd0FyAkQpgiJXWi9bRS8z5aGDbGk9"
    "QyAVfw79JZCSOm3VvSMpY5gjwxwZ5mj3eLfFHKlv3ZBGz8GaXBJr80XrnYdXI0+5hyfhtc"
    "mxQXKphlcLc06LuTTIa63GoJ1G4QZB7EEYYcmnbMGRVDAFmw+Q7wrqoM9hHP1nRCdBY8oh"
    "WFMXzNBIn7XZMXM8WzfCF4z+XqyM9Fd/N9k5tb6vLg1vpewcuae46/j3YzljpHXISOsamr"
    "230roGeFtmWupzN6ZaGbTZFdUcT7aDQSg5nkyf37fZ6WRRxqTufLJENmXJCWVR4YHK9p0v"
    "CISJYzTGblDOwJffVXBJpZq8TUaUD+AGnLUtW/N8bDnEMCwX0hwjWruvrWfByWUXAk2ZBD"
    "lrOw5UFw+M2XEXVAzC08jQTC468oEWgTPRFpgjh07kFIYD1eCgMhW2MSbyF6gDxd+CCOia"
    "XnUTNOUnfpT3ogPM4nD6TCDGIAjPMEH2O7VS1UjVULqi9j1UtxoOAN9ZvEW3UW4+4MIEB5"
    "iD2neIvuGyDJfVueGtxGUFOuA6x5AlBc0Yd3mMTUJSO4xl+AnUhjWW2xDV/flk9oAG7hiY"
    "vWeBO4a3yfLaPbZVs7y0a/D24N3TmZvdrTYIiUqXqt0wHipbIbcnk7vVaKgr+Z8DDXGurg"
    "/KSHNXXqpImF+7BD3IgVjgJZp7DEb6EJ26QXFf6AcF84eH5edU1BLwyrIJ8uQoLoitCGmM"
    "ZtT1hYYnb+cRG5S8q6d2NEnQdajG3Zsq7NGbYvLozYvnatyp/9YAOmpvuNAKXOgT8XjNNM"
    "qESA8hbiGPUmBvPdokLdlDLrRPxAknxF1njFdiZoA7PcBTAqpY/RFOyhnus8sjLNdb4Wss"
    "lDIuKZLo4VZ49KrCVniUHbBECblXObcgk+bbKg4njXJh3YyM1PaqE7eJdAOnWecout1UtL"
    "ligk6ohYsCtFL3B+X25qplDbszKaYClBaYCo4gAioMeoLIqfBombnUXpn7F444sx6JbAYW"
    "IicuRD/pbc5mu68SGwXBX/nknIG2PI0aRmFNTQHShnatDWKjBBVOLVM1Fujh7jGsFFcyLI"
    "krGebjSgrDc4sxToj0E+WKMJfinAPaIU/EqQNzLLA9kOU2+MN1WytE26pQvGjXWJeTMsYV"
    "bCLOvkETTeqM9Il4aw10VtYY410eaQiTXGOQE2JmfLs8vmAU1Q+HCqXMDpjfARNWY1U0Ey"
    "ImYK886MkP4z1MVE5Z3EhiQulzAjUrwPZQ7eZn/3wYWWqlTOEqXwFd3V9e7qqa9bVnKw4r"
    "R/oFNwZlbB+DJjVoPtU+Ot4QJtohUgcfygcjapPZnAniWkv0SJaJHEoaHHOoWqke9CRfk5"
    "1rT6tOfBmJ/lQUav7I6poEYFzLOvZGkK9zKpe2+vWrDSnYNCm4H06lg1/Or95fXP24r3SK"
    "YAJr+Kr3xKIz7BSwr5FM1lAIhA5D4f3drnXovj9/d/Hh9PK7o5eDYeZMwAj4lzk2MLti1Z"
    "jMGtH+hdwfDavkAstWxTN6mMsHnsjnE2/uhQ7OqoBnxPoHdvNBcIY7XGcl2TvGIaEU1Rzm"
    "tKThlbo8ynNM1/mSE2JmfLs8vhZQAY6z3nKdkTUj3eWRNoSmITR3zb0VEZr1cuCkgTXbMP"
    "NNEWoXsp8egd1q2tsKsCJ6MkLzGYpyFI9eNZ5y7jHbt4SiCd2AFhyoEmsIwgbhRVSRNWmh"
    "WfJfikFcogXxyNsggjAUn+FleOodUnXa9Lxlmw+rEqoYIhQSkGF3I5or5jZYo3ibOUsP7m"
    "3jLD2TYtdu2KL6/Gqyk7HMN8lOvqjBTn7xsSuo0NCShctHUsTkE8QrxArTeF2voXwnZYz2"
    "nVsC4q2x1kaXlltrrnbMRN3mlrf7UkFdm81brhXEojiADc3MOJ5gz+Cuamcm187nI2fCRa"
    "EBXH9Z9bRfq0hVYNPrZ0HwTH6haADaytWt9nXOVilvtZuwpGhW6w4BW034koPAgkb1jf5D"
    "dA7V1yNbWqLHCUefw5IZnw/RLXNspGqtc1WxnVmPYLu/UOa4R+Cyy1AQARJUsLGYL0Vsyr"
    "HULgrK4mz16bUPGOPME6N4I4i4AZtgZxSVfjXEgCEGOrcOboEYSL5ZDuY78rVgkmfEthgm"
    "dtDunqP1W53/dpdyWeUOy47dVpfXVz9GzbMnaBtGZnuMDPPoA3Xl+r4OzHnhjfHupu7aGN"
    "weefAd7K2Fdk7WgF0OdkpvyWP9TAZiWtbEH3Q5/kBqvVL9dcUI4M8P9a38HJxCPTQnvD2a"
    "+UW7Kunx8PWrWAmFP8rUzlv5fV3q2DhpetTg6+P2hqzXcJtyYX4gI9+rVbAhJdS/KOHhi5"
    "dVYrKhWYnC/jIXla1g08RynHoeXpYgrcvncChvbfomUmfGPnUEdfkhPG8X2TOgkn/8PbsE"
    "pFiBqutASqg3S2pzKwEfuWShYUwYcwh2C+ZnLJQBdCyl2kI0vrLdqXh2fX2Z0j/OLrLW4v"
    "2Hs/Ob744yCmEe68LSuYWzt7hybotT92hPpq5JwiiGur9Hhvlze81RT0uaUe/KqGtMq/Dt"
    "jTP+mzu4p2uAb8e1mcjhlDuTDxWnqEZPqBP+XRnxjhllhaHfmmAzCLPeYpT8viDVapC8L8"
    "bs6/kTcbXO8uTtQWmgvGqo2jzrLoe6GhPZgkflNlRZw6DehidHeBmf40JFcAQ5RKrLX+As"
    "BbU4AmflGHOCpphri/a28YCGj4kxHuxtebAJTN6agaxJmW0Hsu5PyRNzJvxWKpvM8dJhWI"
    "Pvz7fXVwWO6pVI1i6ilkB/oDaJx904lwCMlPGTCxLIxgNkpjV0kA0SMJRE8azfT+O0iJLI"
    "GU27iVu8IU+s+CCFxN1SZcyL29UIYJQ7nreMTjFI9ICoi26ITfkA+S7USIsLnklDfBAegO"
    "AyJNgjcYOYQQphg1Kt8qS0hV00JugJO3Ivy2lq23xwlbDFSmXTahZAapSv6NDBfw3GwxVr"
    "b3L4/FoBiLFAH3WLYRXEZauSKlO5cJYOFcXpGvp7sqcVxrJ0ZVNjTJuDr66Xb2SyRY0tDJ"
    "r/hSMVdgMFPH+dMrTwKBj6gqntw2EP8n/WI1fZ8R5bDBBn6DMnXz4rY19uJw94zlXK/IQ5"
    "DlsEBT4tNptJCf0Gtp3H1ou6L969dhvR3aH9q8GafSXsw5xZ01rUQyRgeIfBs7yD/IDqUW"
    "uhQG/iRr6RHNqOMfW999p1DO9tO+1gQx8pDnhTdxSoOLH3ZD+13+36o1aAFSiMFXxRieGr"
    "rjtKFU2+EFJiQYF36GYAOZIeAa3MQxZ4kb7350pN84jFINfyEF1DSqUrlT3skdCxVMB0tP"
    "AMbal5BUCYeik3vGx5eeOo6qSjqvvKTE+GIOMbrKPLxAI9ZJeaL6ttPFfGc9W9oeiZ5yqV"
    "B7ra+KuuaF5IwvVwQWuM4CmxzSL4NrTMIip0z/Cuapgl5qW+ttFuiOlfyXjK2OOH8IBojc"
    "WRaVFqdiyCtqPwvOkatkcoEdRwZaDHI068p7iSa+AYnfgcO7GfE46Vxy6HSq62ajVAdBLd"
    "UI2LrJBWn1aFpZZmDaFPwRZTr+5L2SkzveSom9LJiq0OS07kOkBH7fvH4x0PK2B9PCzEGm"
    "7t/LD6TiPcSgWd5GpSU9XNiPZQ190T3bbrHuxT4lFrqlMQwjuligFetXlOHSge2Ibjz78V"
    "Tm/D7NSSwKSi5N+S0KTC7N8+WFvDk5Mqi/vJSfHiDvfSizt8VDUQDpv3EN2jSlvnUcnWeZ"
    "TfOuUThZYALebnEiKGn6vJz+10M/vzvxBhKTc="
)
