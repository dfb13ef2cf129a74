"""A function that stores all the messages of a batch at once, of any number of rooms."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    # By hand: Tortoise knows no functions. A function in PL/pgSQL, because each of its statements sees what was committed
    # before that statement; one statement with the same parts would look for repetitions in the past that it had before
    # it waited for the lock.
    return """
CREATE FUNCTION "store_messages"(
    "event" TEXT,
    "rooms" TEXT[],
    "ids" UUID[],
    "senders" TEXT[],
    "usernames" TEXT[],
    "roles" TEXT[],
    "texts" TEXT[],
    "client_ids" TEXT[],
    "moments" TIMESTAMPTZ[],
    "payloads" TEXT[]
)
-- For each message of a room that there is: its place in the batch, from 1; whether it was stored now or had been before,
-- by what its sender calls it; and what is stored. A deleted message is answered with the text that it had.
RETURNS TABLE ("place" BIGINT, "fresh" BOOL, "id" UUID, "seq" BIGINT, "created_at" TIMESTAMPTZ, "text" TEXT)
LANGUAGE plpgsql
-- Planned once for batches of any length; planning takes longer than storing.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
    -- In one order, so that two batches with the same rooms never wait for each other.
    PERFORM FROM rooms r WHERE r.name = ANY (rooms) ORDER BY r.name FOR NO KEY UPDATE;

    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT
            g.*,
            r.stream_key,
            r.seq AS head,
            -- The first of those in the batch that are the same message.
            CASE WHEN g.client_id IS NULL THEN g.place
                ELSE min(g.place) OVER (PARTITION BY g.room, g.sender, g.client_id) END AS first,
            e.*
        FROM unnest(rooms, ids, senders, usernames, roles, texts, client_ids, moments, payloads) WITH ORDINALITY
            AS g (room, id, sender, username, role, text, client_id, moment, payload, place)
        JOIN rooms r ON r.name = g.room
        LEFT JOIN LATERAL (
            SELECT m.id AS old_id, m.seq AS old_seq, m.created_at AS old_moment, coalesce(m.text, d.text)::text AS old_text
            FROM messages m LEFT JOIN message_deletions d ON d.message_id = m.id
            WHERE m.stream_key = r.stream_key AND m.sender_id = g.sender AND m.client_message_id = g.client_id
            LIMIT 1  -- looked up in the index, whatever the statistics say while a room fills
        ) e ON true
    ), fresh AS MATERIALIZED (
        SELECT g.*, g.head + row_number() OVER (PARTITION BY g.room ORDER BY g.place) AS seq
        FROM given g WHERE g.old_id IS NULL AND g.place = g.first
    ), counted AS (
        UPDATE rooms r SET seq = f.seq
        FROM (SELECT f.room, max(f.seq) AS seq FROM fresh f GROUP BY f.room) f WHERE r.name = f.room
    ), stored AS (
        INSERT INTO messages
            (stream_key, seq, id, sender_id, user_id, username, role, text, client_message_id, created_at)
        SELECT
            f.stream_key, f.seq, f.id, f.sender, CASE f.role WHEN 'GUEST' THEN NULL ELSE f.sender::uuid END,
            f.username, f.role, f.text, f.client_id, f.moment
        FROM fresh f
    ), logged AS (
        INSERT INTO room_events (room, seq, event, payload, created_at)
        SELECT f.room, f.seq, event, jsonb_set(f.payload::jsonb, '{data,seq}', to_jsonb(f.seq)), f.moment FROM fresh f
        ORDER BY f.place
    )
    SELECT
        g.place,
        g.old_id IS NULL AND g.place = g.first,
        coalesce(g.old_id, f.id),
        coalesce(g.old_seq, f.seq),
        coalesce(g.old_moment, f.moment),
        coalesce(g.old_text, f.text)
    FROM given g LEFT JOIN fresh f ON f.place = g.first;
END
$$;"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP FUNCTION "store_messages";"""


MODELS_STATE = (
    "eJztXW1v2zgS/iuEv1wXyBqJEye53uEAJ3Fb3+ZlETu7i20KhZYYW4gsuiIV1+j1v98MJd"
    "l6dSTHdmxVH1rEJEeUnqHImWeG1PfaiBvMEvU7wZzae/K9ZtMRgz8i5XukRsfjeSkWSNq3"
    "VEMXWqgS2hfSobqEwkdqCQZFBhO6Y46lyW1semMzQnWdu7ask44UhP06oqZFqGE4TAhiCi"
    "Ikd5hBTJtYfMIcolPBCLet6R4RnMghlcSU2NC1za8uw4bsmTlTIsbMskx7UMdbMbgO9wK/"
    "NtqrV6lJPmByqOD8/AWKTdtg35jAn59rusOoZIZGJUqYRu0LNhk/aY8ms4yIBqASqlS5Jq"
    "djVXZ317n4oFriU/Y1nVvuyJ63Hk/lkNuz5q5rGnWUwboBs5mDnYcUZLuW5SsyKPKeAgqk"
    "47LZ7RvzAoM9UtdCNdf+/ejaOmqXqJ7wv6P/+LcWaqZp1zc9rdvuaVotMSrwFmIq84t0bu"
    "OIMm2J4H3/4V13DogqrWEH559at+8Oj39REHAhB46qVHDVfihBKqknqhQxR5nhWEgCfT6k"
    "TjrQM4EY1nCr60E5AGgNkNZG9JtmMXsgh/Cz0TxagPEfrVsFM7RSOHN4170Z4Nqvanh1iP"
    "ccX5we1N8FIA7LrAbloGAO83yK2jjOh40cMB82MlHGqijIYyrEhDuGNqRiWATphGAJ4W40"
    "m7mGdXPBsG7GEXe4VWhIB+03h2/trtu+XddcHEX44DgHwAfHmfhiVRReIal0RRGA5xIbhL"
    "h13uv80d5ZkF0wX+DxDA2MEgH3VgTuFNmlgPeXu+2cOpr7+zlAh1aZqKu6KOxREzAK+AXU"
    "SHPE0kGPSsbgNnzRevDHLk7c8IDGDdjd/sBYAH6vc9Xu9lpXv2N3IyG+Wgq/Vq+NNQ1VOo"
    "2Vvou/HbOLkD87vU8Ef5K/b67bcTty1q73dw3vibqSazafaOBDzMdwUBqgFrWDxsaSWo9K"
    "VlrfFq0HGIXUru4eHbrHp5CzgQV9qj9NKBhakZrwggcgwAMlB8eZL/nht1tmUYVtchj43n"
    "pXXWUHh8CPYNAHpfOhEKIkwFunA/ZakK68y+ze2lQEJOjdYtjBitC68C9XprGF7yVv8Kw3"
    "NVk1aoziJdQGcAy/b+wp+iamMGrzdzSbU/Nng/ysmidQJ70hI09s6lFWY8bHFiPUNojD+U"
    "iQJ5ilkMjqT4mN/BXRh9SGF0qxXB7BJeECY8ccUWeKF0pn09bW2719b+NFka3pIwfnsEdX"
    "MEFGfMRAnV5PoEmAxDB1qS7gWf7vFV9HKLHMZ+TuGAGXFuscGKjqrmwuiTJZlyTr4AZr0O"
    "RzyNXIaDCERURbyO1h0wLWtt+8dIzTcR7C6Tibbzr26aZsek+aspijPhMoIxOSy51pLHBn"
    "Gkl3JnxnCZx77JtMxzkmtkGn/Q346V77r17EYg0QfXfV+uuXiNV6eXP9MWge0sD55c3Zbn"
    "Ik3fNP7Yu7y/bFztIk+pAZrrWU7xaXXYH3tp1G6Q46a0kf3bcWltFzRLLS8jZr2aMti+s4"
    "LFdpeJs1PGb0SXs22cTPTIhquWNnmCRxsZiS0XNc0yK5v66lcYB38Gvj4Ojk6PTw+OgUmq"
    "i7nJWcLNB757pXUdclJzEr6vpn1HoWdR3WekBiJFSenYMUElllItL2rowv5B0lIgFRdJPQ"
    "fuAOMwf2b2yqAO7AfVBbT6MjYul5uwlpgpKFYodOZnxZeEDBsytKWz39LQzu2845LE95Yi"
    "tjhxuuLl/LhP/uXaZEcMcyWvir40+3cI2y4rPx6NPOoLTOOErw0qUEUkLvY3YkJXj384dS"
    "fIk6aasMXy9oQeCBMQ7xAGUCGj/USZdbBuGuimNQzCDWnwh/JPvvMSjhMCy2uR+cCOIWLo"
    "gYJujfYSw9tLLR3vPEQLxYjz8JC+5IjTuGt+gUzl4+MweZzleq2ZDicvnLxPYGODyX65+N"
    "xuHhSWP/8Pi0eXRy0jzdn/leyapFTthZ5yP6YRErMHDMssMeRTNuS5xtWwU9aiUKeowdU0"
    "8Z2RdMN0fUyuB1Apm4A+oJ1X3hHRzpC9C/aJ93rlqX7w7297xMcoDa9KznQA1HiWHNHXNg"
    "2tTSloE5KfxqvHeHI10KbliM1bYkDSFIot0FkKzMBTMhXBq68rBxcjxbLfHHovWxC6hfJp"
    "lKZREV4H5n7TeH4vqNkJXxvvC6DpjmOoU2SkWEypcb3tg/Os1lWBydLrAssDIF6xQns+U4"
    "dLoA6bSQhWWKtQ3f0Oa/vmta0rRFHft7i/1/aDt8/hKfAiLOSt55ICJUmil1dTOB0Gw2SX"
    "HtOLcYtTPG50woBmgfpNaF6Kxks0Px7ObmMmL1nnXiZu3d1Vn79t1BzExIYu17+wVGb0hi"
    "c0P3YEeGbhW8zIZ6N8NYVfDyZ9R6nuBlhLXMnx6phFaabP3WKl5DuvWCqKaY7W14ZVyzdB"
    "uZ9mKRzcgALRzbXGfERcXwUsItQWwvO9aiIoj5Ay3Y/B+CKBKDOXXy55CTiQPWkCCSq50d"
    "Fh/AP/1JEFMKaD9RW0ceBPv6oHZ32JwM6Fio3R2P3LL4xNtSovPRCCTSIyyb6bZYaCU7jP"
    "K2RP4WbRU5aOTxtqFVdmZ34/Sl3SJszPWU8zOyM15mApvOd9mdo3dCqwP7Wiwm6AuUxgvf"
    "SFCwMoIqI+inMIKiqUsae8YdoitIYGrjhUqE+lrzc+aAZZiMMzQX242++vJbj6q9l9lClU"
    "1HhgyeZo88sbEEs8yBOi4YmYB5B4YZI/i8dXKDaTM22HrUYcQbb0a6nbjqDlIsws/eo/u5"
    "NbDYfYnZiFV2zVZm12y/IVMSFYQs82AayWvHzAQqEyZz23z4AMGpxWnKpPLf7s11RlbNXC"
    "TOjeLJDP8j6ww+vk2SB4IRIUATGU3x5KW9qFOEF4hnNFVhiexRv5sEdZ6wRGjhzzujOT4B"
    "V8IJbWXkzgK3LIDvlU5ZybY47MVcstC4jDhk563ueeui/VakdLBrIsXJCG2oyHYxgs0b+f"
    "0LX2KPTEw5VEQwvM9DsPqpInunZIJp9pMhs/EsowmeNQQGR7orseS18DSkB4Hbzh1QyUNw"
    "YJJpYKY/JXhKMsGLkIHLhPwXecAS1Uwwz0NRZ7ODT2IjOY3ziCrtc7iLJ8bGgtzX1AlKgC"
    "he9tEBLwcK7m1V4nV9X1OnKfknn88H0J7ivxXvPWT6k+cp+bfgsDEsTcif+/1gMznhXg/B"
    "HgQ8N/3ebgVeUgBTwLFL9k0S3MwAuA1NfaguMjsZitnwKLoi7Xm2fxXdvYAelneAU6TUBx"
    "h/6JYJyGvBIWoBNb+sS1Yd177q49or12vzNHL4BclNI4eFSmixrN4Fqw7K3wDI239s++Zs"
    "7pUflIULdhFwg/blyw1fz7nhCdukANapwuUDfvUzRkXPLGPhbRMdk5IvmORjfB9kCTVHJa"
    "uDwbZZy1VGxOZs2YJnB4VEXuEV7867s/zRQVV+ySrzS+LDdgW45jyUaTvH6oughl7U9eYt"
    "L/dNgxub9Tj8t44vG+yIxn4sR67PgMgm2cNYvUi2z9WVj3XHROyACqYhznw49ajmif8ZTk"
    "FN472fgINfCNA5ZuVgqFB9aoD3uTElfVcS6hqm5E5KHvh6u8qT+x1Yjf1pwDzPvYXsbPBF"
    "vl/20rrQ6Vsz57yVi+veAoJ5oyTGti2sG2Axin9qrvrAXPWBuSqjJDeDMVtR8i4Pc8FVLw"
    "/bYR+t1vuKorUZT2FLgX3RVUgMyRU4DAljKKmGwAXIqYRXnMi5DfbPi1qImn95VPCqVJ2P"
    "mIzShT4zXIlI/UI/QqW1aMJrWuRjaJ4EZslg5oq6jJ97g2Z891Pr10bzGKvV/k72CC8/VP"
    "EnZos66agzNdUhmq4tTcv/VNmIP4OzIDm5ZYaZsbV0Ux3ncTA88DCBBTNe2LexCZ0t9i78"
    "2y8c6Q9LlW7f6fo/UTbTVAHQwzIl9DxWz0gb7Dn1RMNsiOcSJQQYpqEcCEOr7KPLmon4v+"
    "46TsFdGiGREqK8+mGMH11PAXjB2XAziepouBCM1Co0TIP25SMg1pFiJZdkH6KSVSR9myPp"
    "Fcf0U6jZFcsdnSYqBe+GgkOOYUEdRyUrNW+dmhMk5tts3Woxx9SHtRQmyK/ZW8QB0Xmbl7"
    "ifbMW+zJcU2tXzs5yy8MqTV7MZj8yDbbMt8OyTbcvgKDaazVzueHOBO96MG+L4UhVA2G9e"
    "QnQPcgVZDxYEWQ9Sgqzclqm+ePaJCSGR6sSEgicmvOli9uP/a7ZQAQ=="
)
