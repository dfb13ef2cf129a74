"""Who is too fast in slow mode is told the whole pause, also when their message before was stored in the same batch."""

from importlib import import_module

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True

BEFORE = ".4_20261121135500_moderated_messages"  # where the function was made as it was until now


async def upgrade(db: BaseDBAsyncClient) -> str:
    # By hand: Tortoise knows no functions. Only the last column is another than before.
    return """
CREATE OR REPLACE FUNCTION "store_messages"(
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
-- For one that may not be stored only its place, the code of the refusal, when that ends if it is known (null: not by
-- itself), and for SLOW_MODE in how many ms. What had been stored before is answered, whatever holds now.
RETURNS TABLE (
    "place" BIGINT, "fresh" BOOL, "id" UUID, "seq" BIGINT, "created_at" TIMESTAMPTZ, "text" TEXT,
    "refusal" TEXT, "until" TIMESTAMPTZ, "wait_ms" INT
)
LANGUAGE plpgsql
-- Planned once for batches of any length; planning takes longer than storing.
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    instant TIMESTAMPTZ;
BEGIN
    -- In one order, so that two batches with the same rooms never wait for each other.
    PERFORM FROM rooms r WHERE r.name = ANY (rooms) ORDER BY r.name FOR NO KEY UPDATE;
    instant := clock_timestamp();  -- after the wait: that of the transaction is from before it

    RETURN QUERY
    WITH open AS MATERIALIZED (
        SELECT
            r.name, r.stream_key, r.seq AS head, s.host_id::text AS host,
            coalesce(c.frozen, false) AS frozen,
            coalesce(c.guests_allowed, false) AS guests_allowed,
            coalesce(c.slow_mode_seconds, 0) * interval '1 second' AS pause
        FROM rooms r
        JOIN streams s ON s.key = r.stream_key
        LEFT JOIN chat_settings c ON c.stream_key = r.stream_key
        WHERE r.name = ANY (rooms)
    ), held AS MATERIALIZED (
        SELECT s.subject_id, s.stream_key, s.kind, s.ends_at FROM sanctions s
        WHERE s.subject_id = ANY (senders) AND s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > instant)
    ), given AS MATERIALIZED (
        SELECT
            g.*,
            o.*,
            g.role IN ('ADMIN', 'MODERATOR') OR g.sender = o.host AS trusted,
            -- The first of those in the batch that are the same message.
            CASE WHEN g.client_id IS NULL THEN g.place
                ELSE min(g.place) OVER (PARTITION BY g.room, g.sender, g.client_id) END AS first,
            e.*
        FROM unnest(rooms, ids, senders, usernames, roles, texts, client_ids, moments, payloads) WITH ORDINALITY
            AS g (room, id, sender, username, role, text, client_id, moment, payload, place)
        JOIN open o ON o.name = g.room
        LEFT JOIN LATERAL (
            SELECT m.id AS old_id, m.seq AS old_seq, m.created_at AS old_moment, coalesce(m.text, d.text)::text AS old_text
            FROM messages m LEFT JOIN message_deletions d ON d.message_id = m.id
            WHERE m.stream_key = o.stream_key AND m.sender_id = g.sender AND m.client_message_id = g.client_id
            LIMIT 1  -- looked up in the index, whatever the statistics say while a room fills
        ) e ON true
    ), judged AS MATERIALIZED (
        SELECT
            g.*,
            CASE
                WHEN g.old_id IS NOT NULL THEN NULL
                WHEN h.kind = 'BAN' THEN 'BANNED'
                WHEN h.kind = 'MUTE' THEN 'MUTED'
                WHEN g.trusted THEN NULL
                WHEN g.role = 'GUEST' AND NOT g.guests_allowed THEN 'FORBIDDEN'
                WHEN g.frozen THEN 'ROOM_FROZEN'
                WHEN t.spoke_at > instant - g.pause THEN 'SLOW_MODE'
            END AS refusal,
            h.ends_at,
            t.spoke_at
        FROM given g
        -- Nothing holds an administrator, and nothing in a room its host.
        LEFT JOIN LATERAL (
            SELECT held.kind, held.ends_at FROM held
            WHERE held.subject_id = g.sender AND g.role <> 'ADMIN'
                AND (held.stream_key IS NULL OR (held.stream_key = g.stream_key AND g.sender <> g.host))
            ORDER BY held.kind, held.ends_at DESC NULLS FIRST LIMIT 1
        ) h ON true
        LEFT JOIN LATERAL (
            SELECT turns.spoke_at FROM chat_turns turns
            WHERE turns.stream_key = g.stream_key AND turns.sender_id = g.sender
                AND g.pause > interval '0' AND NOT g.trusted
            LIMIT 1  -- looked up in the index, as above
        ) t ON true
    ), admitted AS (
        SELECT j.*, row_number() OVER (PARTITION BY j.room, j.sender ORDER BY j.place) AS turn
        FROM judged j WHERE j.old_id IS NULL AND j.place = j.first AND j.refusal IS NULL
    ), fresh AS MATERIALIZED (
        SELECT a.*, a.head + row_number() OVER (PARTITION BY a.room ORDER BY a.place) AS seq
        FROM admitted a WHERE a.turn = 1 OR a.trusted OR a.pause = interval '0'
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
    ), taken AS (
        INSERT INTO chat_turns (stream_key, sender_id, spoke_at)
        SELECT f.stream_key, f.sender, instant FROM fresh f WHERE f.pause > interval '0' AND NOT f.trusted
        ON CONFLICT (stream_key, sender_id) DO UPDATE SET spoke_at = excluded.spoke_at
    )
    SELECT
        j.place,
        coalesce(j.old_id IS NULL AND j.place = f.place, false),
        coalesce(j.old_id, f.id),
        coalesce(j.old_seq, f.seq),
        coalesce(j.old_moment, f.moment),
        coalesce(j.old_text, f.text),
        CASE WHEN j.old_id IS NULL AND f.place IS NULL THEN coalesce(j.refusal, 'SLOW_MODE') END,
        CASE WHEN j.refusal IN ('BANNED', 'MUTED') THEN j.ends_at END,
        -- Who is refused without that has their turn taken by another message of this batch: now.
        ceil(extract(epoch FROM CASE j.refusal WHEN 'SLOW_MODE' THEN j.spoke_at ELSE instant END + j.pause - instant) * 1000)::int
    FROM judged j LEFT JOIN fresh f ON f.place = j.first;
END
$$;"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    before = await import_module(BEFORE, __package__).upgrade(db)
    return before[before.index("CREATE FUNCTION") :].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


MODELS_STATE = (
    "eJztXWtz2zbW/isYfWl2RvXY8iXZ9J13RrbV1q0veW1529kkI0MkbLGmCIUXK9pu/vuLA1"
    "7EC0iDkiiRDD5sNyZxQOoBCJzLcw7+7kypTkxn794hduc9+rtj4Slh/0hc76IOns2WV+GC"
    "i8cmb+ixFvwKHjuujTWXXXzEpkPYJZ04mm3MXINa0PTGIghrGvUsdw9duA4iP06xYSKs6z"
    "ZxHGQ4yHGpTXRkWMikc2IjDTsEUctcdJFDkTvBLjJcaOhZxhePQEPyQuwFcmbENA3raQ9e"
    "Racaexf211af6t8cufSJuBMO58fP7LJh6eQrceDPjx3NJtgl+gi7IGHonc/QZPY8ejSIqS"
    "dGgN1kt/j1kbuY8Wv39xfnP/OW8CvHI42a3tRatp4t3Am1ouaeZ+h7IAP3nohFbHh4bIAs"
    "zzSDgQwv+b+CXXBtj0Svry8v6OQReyYMc+d/Hj1Lg9FF/Enwn6P/DV4t1mw0ur4Zju4Gw9"
    "Gok5kV8AqpIQsuadSCGWVYLoD39ze/3yUg/GoHHnD2a//2zeHJPzgE1HGfbH6Tw9X5xgWx"
    "i31RPhBLlAnMhSzQZxNsi4GOBFJYs1etBuUQoAog7Uzx15FJrCd3wv7sHR8VYPyv/i2Hmb"
    "XiOFP2rfsrwHVwq+ffA7yX+MLywP9dAuK4zGZQDi8sYV4uUVvH+bAnAfNhLxdluJUEeYYd"
    "Z05tfTTBzqQM0hnBFsLdOz6WmtbHBdP6OI24Tc1SUzpsvz18O/d3g9uq1uIkwgcnEgAfnO"
    "TiC7eS8Doudj2nDMBLiS1C3D8bXvxr0FiQPaa+sJ+nj5hS4rB3KwO3QHYl4IPtrp5Lx/H+"
    "vgTorFUu6vxeEvakCpgE/JzdcY0pEYOelEzBrQeie+E/mrhwsx+o3zC9O5gYBeAPL64Gd8"
    "P+1Qd43NRxvpgcv/5wAHd6/OoidfVN+uuIOkF/XAx/RfAn+vfN9SCtR0bthv/uwDthz6Uj"
    "i85HzIZYzuHwaohaUg+a6SuOelJSjXpdRj3EKDbs/O3BoHt8jhkbcGGMtec5ZopW4k58w2"
    "MgsB+UnRyngeTPv98SE3Nss9MgsNbveC8NnALfwkkfXl1OhSVGpuHAdwD66rpAXfKu/mA9"
    "tRWsKXEc/ETWBerK76Z5G7kcSOxH2hyBkUmf1oUq6mxgufairRNrZljrTqoPhtVWdBzsO8"
    "TWXsmDftqKU7A8saebZBN4BevUedBdW2FjGxax18XqBjppK0IWdY1HQ8ObmFTXsb7aitdf"
    "dLwuTL/RcZvQAXWd9mieAp+9Ne1N01ewxRYjPXg2PCmpoAsCbUvVPT/UFhgJ8sE2X2APDS"
    "cEPZOFH8maETozCcKWjmxKpw56ZsYLxLfGC2RBWAtpE2wx1ZEHv/y4l8s6mNnGFNsL6Egc"
    "ZKvsaZ+sTxZ0CkGcMYTmbPLoOcRBUzolbDj9J7GRZJDohubyDnyH4HsexkMYmcYLhPQImm"
    "CI92GbTVT+VmzBQNyTtWIMj71ghzX5GPNA5jSYMNtyVBjyg6aZTzHfCRc0b10g6kQmDnWS"
    "H4Y6CaJQ+VE/13DL+e8jgTYGSKS8nL0CL2cv6+WMv1kG5yH56opxTolt0Ze/g7D1cPDnMO"
    "HIChF9c9X/8x8JZ9blzfUvYfPYCJxd3pw2M3Ryd/br4Pz+cnDe2OiJNiG6Z67k0k3LbsCp"
    "W0/3SwN9uFnXfaAtrDLOCUk1ynUeZT+aWX6M43JqhOs8wjOCn0cvBpkHhMXkKF9YOSpJWi"
    "w1yGA5VrRJ7le1NT7BG/zYOzh6e/Tu8OToHWvC3zK68rZg3C+uh6mt0KUuNldANiOnoE1D"
    "q8gC+VA3M2ysyALf46jnkQXio/7IPljPZoM3s6nuadxXlBn+U+Mpdz3N6WClVbVmekiwrv"
    "6z1zs8fNvbPzx5d3z09u3xu/1ogc3eKlppTy9+gcU2MdTZ1Tf02GVGIZ+HHxPZJBm/vmrg"
    "K9z7DBsmiW4W2p+pTYwn63ey4ABfsPfAlibyvaVSVJoJaSb+wC7beB45h+MTiv12Hi/lv/"
    "6WLTe3F2fDTuEasgF8Pyx7ataaIYtwzrKZQJu9C7q+v7zsfJNhcwUdrc2TkEa+KZM7xaGn"
    "azPeblkf7ZmZtaC7NRGrrbPdGvnB7Zju1sSJpdhuNWO7NXEScdbWyHDJ2tsdp25dsI7aNK"
    "NKEW5irrEJdkcOcV320CJcbywypOw/r6N7xnq8Czps0VQsyVEKtU4BSSmmkOazlELll7eS"
    "oikFEntowJPqfUIQYr8BOD4P7JrDGj/soTtq6oh6nCOEIWlfe0b0Ee2/B8KPTeCyRQPiT8"
    "gJ8piIbrBd3SZETFva6tNl+EU+jyqwQhxquyMaMjZLFwwochfJeoeCeV5f8tAWfUP5lKKy"
    "Se4tTnBXhCLou1PtOr81QtHMNjTBzD4nmjHFZk7MNJRJRyB8ob1AuIEzvQD988HZxVX/8s"
    "3Bftcv3sCgNnz3UTgMR5lpTW3jybCwOVoF5qzw2njXU6nZGNxsM+aVgEYAQRbtOwaSmbth"
    "ZoRbE68+7L09iXZL+KNof7xjqF9mgyVcIyoR/Y/abw/F6pWQjQX+2ef6REaeXao2UUKofe"
    "UYevtH76QUi6N3BZoF3BRgLbAg+7aNFwVIizgr4LWtTKVY1tsae4bJ7FRnD563i5JboDt8"
    "/JxeAhLGiuw6kBBqzZK6uZXAGVlkLjDtKDUJtnLmZySUAnTMpKpCNLqy3al4enNzmdB6Ty"
    "/Sau391eng9s1BSk3IYh1Y+yVmb0xie1P3oCFTV7HX8qFuJo9Jsde+x1GXYa8lvJbyqUdc"
    "aKOJjLse4gpSGQtIVE6UN7wmzeeubbWDuimaT2KC5lCpZMg9EV3IEOgJlVRrqplRVuOYZ1"
    "OQqrLGAKdECYJ3IVUqP3LHCVnyYTto/oODuEuM2HvojwlFc5sNuYNcynPwTfrE/qc9O8hw"
    "HdZ+zpP8Hxzy5YHn4VsUPeGZw/PwH6lp0rmf/K/R6ZRJiON123lsuUBdflBut2GhGiX1H/"
    "RkfDesVX4Obu/da3n9ZEY1QQHkfLp2JLBtsnZzaqfHdA3ypVyEORBojU9ny+kHu1Kpa7aL"
    "tl6jrhne21aoYUMfkReo5LMBNvgAOmqRGVO5rugDlqMwRmgWa43B8Mnrjry9z5LCXKNDE8"
    "J+TRc9k5nLlDKb3aMOQXOm3DG1jCD4vXvoBihYFtP0sE2QP990sZa46QcI9MGP/k8PeFps"
    "q/uc0hAVU6uWTK36qzEtGYKYXh4uI7JaTCSgfIK55c3i578sTIoFi8pvdzfXOQytpUjazw"
    "4V9P6Lqgxk74YwBGAknOkZdlyaCNdNmkTQQZodp0Jc+bO+mcEOmRBXbOOXXdHswP3WwgVt"
    "Y66dAqsshG9Nm0wyX7RueMuaZLF5mTDIzvp3Z/3zQZE9VqWZcYoti+jn5AVYqgJLI3G/0N"
    "gY85bsl0FTSXujj5484rg/OMgXQ9hhTW34P8NFGrbQmCAXsjsebWYnYIuChv8TmAZ+gVpm"
    "Hjj+Pb8+rf8Svrzjd84uZ+2QbT5YaJ+E+XnBlPDfImOmfEzcUAZL7QwWPfowZDebpUQLt5"
    "vN68/E0p3VSv85qvJf7agpWXUttQ7KBodSYqqezyuO81gW97qu8/Ydf5JW1VKTq07qWiIP"
    "WqCupfOk89W1RI62nLYGhf5DCcivhZr90A134v4UOnPnBps2nu/bnfOgPgTwg8EUqGIb6/"
    "V1XkCuElUbhlyNWAHVl/p3TLZXwNRk85C9ii4IMRVnfQk7aE1IexOZX8xC+Q8RkeGKMhSW"
    "QipDoUSGAjf6mNYJrCUissqKMM8KK+xfwT6j75TZkl8nFYTFSSon6e50za+MUbCWmhOrii"
    "ZQcpI10/JVnHiZNll/FDT2Y9Nh4TIebzYpfSZww6be0wSC1F1kWFxX4eoJtWMaio8V3Gef"
    "M6g0TB2ZinxQ1T5sUzzJcpbZ5g2y17+P5jD28pWheTCdZbXPsH0LvUgHUkVKDgqKlBxki5"
    "TgHAM4H+GlRAsxlgkL5QeFMnnaKtaaj3t7Y63h2I0XJd13S0HlvROxuRW7OLtiKXZxk2wB"
    "8TKxAXBbXlM+s6SWZm9X6X4OqzALjLJYgeZ8iyw0c+SsMSALBxJdbvHw2DrbkSaUR+qZVb"
    "NAcyjwOJ8QCwLxczhBlliumHi8Yl9wxu2DA4eJ2WxMHsJjcA0drC2MPDYhwSTDftT/J/QA"
    "V3gzh/h8Zrjg7CF4B3+95lfHlL3FMyEzB33q8HNxGaLQLacVsAufLH7Ff/SnDjcA/fmMlv"
    "Ooy3PleI7chGjPvjkZvIJNZmw2cUqD/xxo5s6p/4Sw+iVDiP3GfsipDmEK8/Fc8tVFUEaT"
    "4TYxtInveA/P+yUW+ykaT/CjBWyHRN1M4GP7x/ImrgYAwx+aaTDkR+FR9KF5uiqBW1mrm7"
    "ZWFVF7+yln8Q9EWimMC7XQjN084QRWzrKZwXEZBbIEyDY1SwEctm8huJs//hg27DLghu3b"
    "ZzIeSzkSjwscicdZR2JWNymBtVC4fcBvfsVQDsZVNLw6ORSl6ICBDbLCMCclFemzzqNcG7"
    "pVyxdN0EtLeuZjImtYxc35dtbg1KrybuHk2bC/2HNEVYqr8hTXc66+CmrsQ63WRSx94pr8"
    "aU5y5641ZGASUzdU7Pl4vHL8mjxegW/9POi0RdiVjT+kTjYUxSGyhx8WxCMSxy7KRSWgqJ"
    "1u6GgOjnaXQkrgtOtHDcATP58s9hA82gjYXEwvgsRAdsvyUwf5KVaC2iib7Lj0YVbgYgef"
    "PPvp1E5dc7zxXyQ6fFcddFXbbETFcUoo1Ic9CYX6sJerUMOtlA8+8SVIWy4JKeXted1wKX"
    "Ku5dsuhV6179J8SfjcCXbKLQ5LifbN2UpcwzpxsWEKVL78Yj8xke0X+xGdWgOP3UUwWpUA"
    "UrTURLvVaalxHVZ274jLKD6q4qMqPuru8a7Kv8i/9e05GGu6JrwKa3xJXKOGcBmXmEwl4X"
    "Y7w6pi7oLLVeAtCzyxBUfGM51Qzi/Wj4ij8dK+zgSOcGAKpktnXeRZrmGih6A6zwMyHv3G"
    "PldWlCK5kT5Le8Ni2l++r2vHRmq9HGDV0EyV/p6vjLRXf1c1v0p9X3UaXin6B9tTrFWyBi"
    "M5ZaTVyEirG5qtt9LqBnhVZlric1emWhG06RV1A4yQjJ6bHYWSFXJiGYJNVG1fHYSkZi9R"
    "NXAtgy6qwyiw6uI1GvNNu7DMobx957nEz3QcY0uY/Pg+XqemCzd4oiO2nGzFGuAsLOaQWC"
    "i0+6p6FmRzXrhoQhnIaduxy7t4olSPujCCBEuLoilbdNgDNRJmh5rGI5xBg1h30AMaL9AY"
    "sikRqObvee4k0zVteRM0ESd+ZvfSeZKqSM9u7VE+JiXUq7B9CxWrDReQ2Rmzot4oV5B6p2"
    "gAlWeIKa+V8lopr1XLvFa+trfCCCcE1RjXeYxVQbN2+SZr9qm03jVZM7yr8kyqgmbbLGi2"
    "xD15xNiaPJL0yWYtwb9SFkmae5NfBy5Oz3m1HtySGyTniuSZUkG1Mhwr6zZZdINUKeB/uM"
    "jBhv4+OFGaIJtoFI6ZBhMEfHUWHVN9gcbgKPR0w6W24HSSah8l4xUMCxtEH1CcnALuQQJ5"
    "bqMwWUtRV+rhKlRVeCr1sSg3lnJj7RD99rqxMtuN7O6wFFQmsMAEjnbprNJakB8dl1qpdm"
    "bdlq2t5UkX2MUkLAywpuUmKDXQrNGQteHis1DCPE6uBMo8LoI2s9wq6k69qDtVHG/1C/BX"
    "7tgzc2zoxP1ukQHNmTAjx29aoqx6IBGet8m7Ceqig/1692v/x97xCdyGMuk2eWQbG7tFn4"
    "nlcMKL4fCa4AGDxj8DfUpf4Ngqim6JLjp0fZsPlrGsffBCw5l8nRnsYcWGc/D6paswx6XU"
    "SaE5JIV8YzoaqRKgx2UUM0SCGaLOsk8AzJYhCYRZq1yI+b2UTe3ZNrFKOYZiIi1EefPT2J"
    "kJAe7bNl7kLM8zMb7bLr0Bz9sFIXI4+HP48XMaRmyWmqZh+/Y516oof++u6FlLSioySRPI"
    "JMp/2uph9pyVxjgmpga41gMcMwxLjnFSUg1z7YY54yQu42bbnD/oxta5iyLjCPJvdIs8QB"
    "SalPD88Pah+wVSqvbQcHn2HJnOqEssbYGeySKWdhWcecdb8R7E3p1Ndi48SC5W9TrWH+cI"
    "pk+ISzRO7qgCrkR3hcK2Kr9q48fKMe3WE/C6ikiiocT2jOPOh8H1+cX1L1VhW/kBUcyIMA"
    "V7GdGMKTZz6CmhTHoX84X2AuF27WHng7OLq/7lm4Ojrl8lmO1Xhh8WCIE/ytAm0utSicks"
    "EG2fOX3Qk0kdZK3yZ3Qvkz74yJ5P7JltlPOtpcTaB7Y6iKseK0kjtOFE8Q1srDLGMTHlnK"
    "rz+GoQ8DfN1T7klKwa6TqP9M4OAWvQ8rz6KWDbPauqppBWelhVTLN2yXTNpB/uULlg/bQI"
    "7EozfpaA5bmnQjRfcVGNotGT81PNbKp7msvdRJbvFgp4QkAMghfh+TdMd9fYv7gHaYHmxC"
    "bvuTMpFJ/iRXAwEuKlfcR+qyofJsNEChAK3FJBd+UL/qiTluDeNk5aKntCfItPh+9J5Z70"
    "CnJPetncE/6llXRRRTLfpYtqv4SL6ouHLddwBb6p3OUjLrJSIkLdMA3Wkd7B0dujd4cnR9"
    "HyEV0pWjXCFWKJabSEl9Cz4zJK0c4sAdEuWGqjS8qppJlyW97ua3bUbTZvuWgHDUO+a1qU"
    "Uei4YXDLmpTxtVNca1WwmGwA1w/Lnpq1isgCm1w/E9CyV0DX95eXHcFCsQFopcvMNHXOyt"
    "SZ2Q0D5Zq6xqOh4byqHon73SJj34q1LGHux8V4ns8cg+kdS/UBSgl99O1tYjvU+sFBDtWe"
    "CWsG1XgdYkElDrGBv9nuZUz6QvKJopnstjaH4ZqlzPdIoIUaTSX2e27iaT7GMZF2oiwJcy"
    "HOGaBN8kIEXJ58mCOBLfKlLq5/vqlqhaiaLKX4Dqsszo2LkjI9xnhh2sAqA52WVfHwOo+0"
    "ioerePiuDcG8eLj4nJitWYG/0XFHYPzB5W6RzfcXHZcw9Vjr937dRLCrsPNM9C6a0DmTsf"
    "2CDl3/tsYTAqAShJ9GwIbYI3DqCy/zEBzhEh7M4k6wxaO17IMUmoDbeezqpuFn/6iXkM4u"
    "VcdRmYvq1JetmjGHPQn9+rCXq1/DrXSYoREpH/93P7gfnDfViJnZFOa7AOa7KTbNolhaJL"
    "e9qO9+VSj7cbTD3tuTKHIGfxTFyu6u+peX2eCYTlxslLK7lxJbnLXbma8VFXj9AgV8shD/"
    "dndzLYY4JpI2wQzNRf9FVRb02I2iDmAkDK8Q0zdX/T/TcJ9d3pymtz/o4DQDveOJin8UIR"
    "9KrAV8c6zeanD3BAWN89W5oPka+lxz8C7BGzGpaNUo3udCGbXHxfc4Zses4AyLpJTHs9Z+"
    "MOXYzv+I2lvemxlP9mqjnpRUPu46f9uEQbjKGMfl1AjXeYRVFENFMeoaxdg1ma1PbEObdA"
    "SRjOBOtyiYgZdtXgtn5CP6ehiglE//e8nqWjMbI9+F/0LssJi6rMMuJtJCR37v+FiGjnR8"
    "XFDd+Djts4OPqgTCQfMWonsg5RE9KPCIHgjOY6KWKyxtnO+Xi4koj2hJz1xGPdjmZvbt/w"
    "Fmcyg1"
)
